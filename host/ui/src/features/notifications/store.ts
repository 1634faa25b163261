import { create } from "zustand";

import { request, type Schema } from "@/api/client";
import { runHref } from "@/features/run/api";

/** What happened to something that was done in this browser. */
export interface Notice {
  id: string;
  at: string;
  /** A state's name: it gives icon, word and colour. */
  state: string;
  title: string;
  text: string;
  /** Where more about it is. */
  to: string;
  read: boolean;
}

interface Watched {
  id: string;
  application: string;
}

interface Kept {
  notices: Notice[];
  watched: Watched[];
}

const KEY = "powerflow.notices";
const MOST = 200;

function load(): Kept {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) ?? "null") as Kept | null;
    if (kept && Array.isArray(kept.notices) && Array.isArray(kept.watched)) return kept;
  } catch {
    // A browser that keeps nothing, or something else under the name: begin anew.
  }
  return { notices: [], watched: [] };
}

/** The notification centre: results of the runs that this browser started, newest first. */
export const useNotices = create<Kept>(load);

useNotices.subscribe(({ notices, watched }) => {
  try {
    localStorage.setItem(KEY, JSON.stringify({ notices, watched }));
  } catch {
    // See above.
  }
});

/** Tells here how a run ends. */
export function watchRun(id: string, application: string): void {
  useNotices.setState(({ watched }) => ({ watched: [...watched, { id, application }].slice(-MOST) }));
}

/** Marks all as read. */
export function readAll(): void {
  useNotices.setState(({ notices }) => ({ notices: notices.map((notice) => ({ ...notice, read: true })) }));
}

/** Forgets all. */
export function clearAll(): void {
  useNotices.setState({ notices: [] });
}

const ENDED: Record<string, string> = {
  success: "succeeded",
  warning: "ended with warnings",
  failed: "failed",
  cancelled: "was cancelled",
};

/** Asks once how the watched runs are. What cannot be asked now is asked the next time. */
export async function lookAfter(): Promise<void> {
  for (const { id, application } of useNotices.getState().watched.slice(0, 20)) {
    let notice: Notice | null = null;
    try {
      const run = await request<Schema<"RunWithSteps">>("GET", `/api/v1/tasks/${id}`);
      if (!run.ended) continue;
      const failed = run.steps.find((step) => step.state === "failed");
      const why = (failed?.error as { message?: string } | null | undefined)?.message;
      notice = {
        id,
        at: run.finished_at ?? new Date().toISOString(),
        state: run.state,
        title: `${application} ${ENDED[run.state] ?? run.state}`,
        text: failed ? `${failed.name}: ${why ?? "failed"}` : "",
        to: `${runHref(application, id)}${failed ? `&step=${encodeURIComponent(failed.name)}&tab=logs` : ""}`,
        read: false,
      };
    } catch (problem) {
      // A run that is kept no more has nothing to tell.
      if ((problem as { status?: number }).status !== 404) continue;
    }
    useNotices.setState(({ notices, watched }) => ({
      notices: notice ? [notice, ...notices].slice(0, MOST) : notices,
      watched: watched.filter((each) => each.id !== id),
    }));
  }
}
