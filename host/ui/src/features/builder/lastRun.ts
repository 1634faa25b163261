import { useQuery } from "@tanstack/react-query";

import { api, data } from "@/api/client";

/** The newest runs of an application, for their data. */
export function useRecentRuns(name: string) {
  return useQuery({
    queryKey: ["recent runs", name],
    queryFn: () =>
      data(api.GET("/api/v1/runs", { params: { query: { application: name, limit: 20 } as never } })),
    staleTime: 10_000,
  });
}

/** What the steps of a run made; of the newest where none is chosen. */
export function useOutputs(
  name: string,
  chosen: string | null,
): { run: string | null; outputs: Record<string, unknown> } {
  const recent = useRecentRuns(name);
  const run = chosen ?? recent.data?.items[0]?.task_id ?? null;
  const made = useQuery({
    queryKey: ["data", run, true],
    enabled: run !== null,
    queryFn: () => data(api.GET("/api/v1/tasks/{id}/data", { params: { path: { id: run ?? "" } } })),
  });
  return { run, outputs: made.data?.outputs ?? {} };
}

/** The names of a configuration object's variables. */
export function useConfigNames(configuration: string | null | undefined): string[] {
  const found = useQuery({
    queryKey: ["configuration", configuration, "names"],
    enabled: Boolean(configuration),
    queryFn: () =>
      data(api.GET("/api/v1/configurations/{name}", { params: { path: { name: configuration ?? "" } } })),
  });
  const entries =
    (found.data as { configuration_data?: { name?: unknown }[] } | undefined)?.configuration_data ?? [];
  return entries.map((entry) => String(entry.name));
}
