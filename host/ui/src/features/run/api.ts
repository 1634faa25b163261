import { useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { api, data, request, type Schema } from "@/api/client";
import { between } from "@/lib/time";
import type { Overlay } from "@/features/graph/StepNode";
import { readDocument, type ApplicationDoc } from "@/features/graph/document";
import { useEvents } from "./live";

export type Run = Schema<"RunWithSteps">;
export type RunSummary = Schema<"Run">;
export type RunStep = Schema<"Step">;
export type StepDetail = Schema<"StepWithRun">;

/** How often a run that goes on is read again where no events come, in milliseconds. */
const POLL = 1_000;

/**
 * A run with its steps. While it goes on, events bring what changes; where none come, and across a
 * restart of the service, it is read again each second.
 */
export function useRun(id: string) {
  const [live, setLive] = useState(false);
  const run = useQuery({
    queryKey: ["run", id],
    queryFn: () => request<Run>("GET", `/api/v1/tasks/${encodeURIComponent(id)}`),
    refetchInterval: (query) => (query.state.data?.ended || live ? false : POLL),
    refetchIntervalInBackground: false,
    // What is shown stays while the service is away; asking goes on by the interval.
    retry: false,
  });
  const follows = useEvents(id, run.data !== undefined && !run.data.ended);
  if (follows !== live) setLive(follows);
  return run;
}

/** A step of a run, with its past attempts and the runs that it started. */
export function useStep(step: RunStep | undefined, live: boolean) {
  return useQuery({
    queryKey: ["task", step?.task_id, step?.state, step?.attempts],
    queryFn: () => request<StepDetail>("GET", step?.href ?? ""),
    enabled: step !== undefined,
    refetchInterval: live ? 2 * POLL : false,
    placeholderData: (old) => (old?.task_id === step?.task_id ? old : undefined),
  });
}

/** The application as the run was pinned to it. */
export function usePinned(run: RunSummary | undefined) {
  return useQuery({
    queryKey: ["revision", run?.application, run?.application_revision],
    enabled: run !== undefined,
    staleTime: Infinity,
    queryFn: async (): Promise<ApplicationDoc> =>
      readDocument(
        await data(
          api.GET("/api/v1/applications/{name}/revisions/{number}", {
            params: { path: { name: run?.application ?? "", number: run?.application_revision ?? 0 } },
          }),
        ),
      ),
  });
}

/** What each run's data is: its input, and what its steps made. */
export function useData(id: string, ended: boolean) {
  return useQuery({
    queryKey: ["data", id, ended],
    queryFn: () => data(api.GET("/api/v1/tasks/{id}/data", { params: { path: { id } } })),
    refetchInterval: ended ? false : 2 * POLL,
    placeholderData: (old) => old,
  });
}

/** Whether a step's result is that of the run that was retried. */
export const isReused = (step: RunStep): boolean =>
  step.attempts === 0 && ["success", "warning"].includes(step.state) && step.started_at === null;

/** What a run made of its steps, as the graph shows it. */
export function overlayOf(run: Run, now: number): Record<string, Overlay> {
  return Object.fromEntries(
    run.steps.map((step) => [
      step.name,
      {
        state: step.state,
        took:
          step.state === "running" || step.finished_at
            ? between(step.started_at ?? step.ready_at, step.finished_at, now)
            : null,
        attempts: step.attempts,
        waits: step.waits_for?.message ?? null,
        reused: isReused(step),
      },
    ]),
  );
}

/** The address of a run's page. */
export const runHref = (application: string, id: string): string =>
  `/applications/${encodeURIComponent(application)}?runid=${id}`;
