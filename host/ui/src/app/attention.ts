import { useQuery } from "@tanstack/react-query";

import { api, data } from "@/api/client";

/** How much needs somebody: for the rail's marks. */
export interface Counts {
  approvals: number;
  dead_letters: number;
}

/** The counts, up to a hundred each, read again every fifteen seconds. */
export function useCounts(): Counts | undefined {
  return useQuery({
    queryKey: ["counts"],
    queryFn: async (): Promise<Counts> => {
      const query = { params: { query: { limit: 100 } } };
      const [approvals, letters] = await Promise.all([
        data(api.GET("/api/v1/approvals", query)),
        data(api.GET("/api/v1/dead-letters", query)),
      ]);
      return { approvals: approvals.items.length, dead_letters: letters.items.length };
    },
    refetchInterval: 15_000,
  }).data;
}
