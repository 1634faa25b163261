import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";

import type { Run } from "./api";

/** After how long a stream that was refused is asked for again, in milliseconds. */
const AGAIN = 15_000;

/** A run with the steps that an event brings in the place of those that were known. */
export function merged(old: Run | undefined, event: Run): Run {
  if (!old || event.steps.length >= old.steps.length) return event;
  const changed = new Map(event.steps.map((step) => [step.task_id, step]));
  return { ...event, steps: old.steps.map((step) => changed.get(step.task_id) ?? step) };
}

/**
 * Follows a run that goes on by server-sent events. Says whether events come; while they do not, the
 * caller asks from time to time. A page that nobody looks at holds no connection: a browser has
 * few of them.
 */
export function useEvents(id: string, follow: boolean): boolean {
  const client = useQueryClient();
  const [open, setOpen] = useState(false);
  useEffect(() => {
    if (!follow) return;
    let source: EventSource | null = null;
    let timer: number | undefined;
    const close = () => {
      window.clearTimeout(timer);
      source?.close();
      source = null;
      setOpen(false);
    };
    const begin = () => {
      close();
      if (document.hidden) return;
      const stream = new EventSource(`/api/v1/tasks/${encodeURIComponent(id)}/events`);
      source = stream;
      stream.addEventListener("run", (event: MessageEvent<string>) => {
        const run = JSON.parse(event.data) as Run;
        setOpen(true);
        client.setQueryData<Run>(["run", id], (old) => merged(old, run));
        if (run.ended) close();
      });
      stream.addEventListener("error", () => {
        setOpen(false);
        // The browser asks again by itself unless the service refused.
        if (stream.readyState === EventSource.CLOSED) timer = window.setTimeout(begin, AGAIN);
      });
    };
    const seen = () => (document.hidden ? close() : begin());
    begin();
    document.addEventListener("visibilitychange", seen);
    return () => {
      document.removeEventListener("visibilitychange", seen);
      close();
    };
  }, [id, follow, client]);
  return open;
}
