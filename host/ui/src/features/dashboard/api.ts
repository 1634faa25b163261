import { useLocalStorage } from "@mantine/hooks";
import { useQueries, useQuery } from "@tanstack/react-query";

import { api, data, type Schema } from "@/api/client";
import { LIVE } from "@/api/query";

export type Overview = Schema<"OverviewDocument">;
export type Volume = Schema<"VolumeDocument">;
export type Application = Schema<"ApplicationSummary">;

/** Everything at a glance, read again every few seconds; the service reads it once for all. */
export function useOverview() {
  return useQuery({
    queryKey: ["overview"],
    refetchInterval: LIVE,
    queryFn: () => data(api.GET("/api/v1/overview")),
  });
}

/** The runs of the last hours. */
export function useVolume(hours: number) {
  return useQuery({
    queryKey: ["volume", hours],
    refetchInterval: 2 * LIVE,
    queryFn: () => data(api.GET("/api/v1/overview/volume", { params: { query: { hours } } })),
    placeholderData: (old) => old,
  });
}

/** The names of the applications that this browser's user has starred, and how to star one. */
export function useFavourites(): [string[], (name: string) => void] {
  const [names, setNames] = useLocalStorage<string[]>({ key: "powerflow.favourites", defaultValue: [] });
  const star = (name: string) =>
    setNames((old) => (old.includes(name) ? old.filter((each) => each !== name) : [...old, name]));
  return [names, star];
}

/** The starred applications that there are, in the order in which they were starred. */
export function useStarred(names: string[]): Application[] {
  return useQueries({
    queries: names.map((name) => ({
      queryKey: ["applications", "named", name],
      refetchInterval: 2 * LIVE,
      queryFn: async () => {
        const found = await data(
          api.GET("/api/v1/applications", { params: { query: { search: name, limit: 200 } as never } }),
        );
        return found.items.find((each) => each.name === name) ?? null;
      },
    })),
    combine: (results) => results.flatMap((each) => (each.data ? [each.data] : [])),
  });
}
