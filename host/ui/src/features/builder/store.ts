import { createStore, useStore } from "zustand";
import { createContext, useContext } from "react";

import type { Fault } from "@/api/problem";
import type { ApplicationDoc } from "@/features/graph/document";

/** What is kept so that a reload loses nothing. */
export interface Draft {
  document: ApplicationDoc;
  /** The ETag of what it was made from. */
  etag: string | null;
  at: string;
}

const draftKey = (name: string) => `powerflow.draft.${name}`;

/** The draft that this browser has of an application. */
export function readDraft(name: string): Draft | null {
  try {
    return JSON.parse(localStorage.getItem(draftKey(name)) ?? "null") as Draft | null;
  } catch {
    return null;
  }
}

/** Keeps or, with `null`, forgets a draft. */
export function keepDraft(name: string, draft: Draft | null): void {
  try {
    if (draft) localStorage.setItem(draftKey(name), JSON.stringify(draft));
    else localStorage.removeItem(draftKey(name));
  } catch {
    // Without room the page still asks before it is left.
  }
}

export interface Builder {
  name: string;
  /** What the service has. */
  saved: ApplicationDoc;
  etag: string | null;
  document: ApplicationDoc;
  past: ApplicationDoc[];
  future: ApplicationDoc[];
  /** Changes of the same kind in a row are one to take back. */
  last: { kind: string; at: number } | null;
  selected: string | null;
  edge: string | null;
  panel: "step" | "meta" | "problems" | null;
  faults: Fault[];
  warnings: Fault[];
  change: (next: ApplicationDoc, kind?: string) => void;
  undo: () => void;
  redo: () => void;
  select: (name: string | null) => void;
  selectEdge: (id: string | null) => void;
  show: (panel: Builder["panel"]) => void;
  /** The service has this now. */
  stored: (document: ApplicationDoc, etag: string | null) => void;
  /** Begins anew from what the service has. */
  reset: (document: ApplicationDoc, etag: string | null) => void;
  judged: (faults: Fault[], warnings: Fault[]) => void;
}

/** How many changes can be taken back. */
const DEPTH = 200;
/** Changes of one kind within so many milliseconds are one. */
const TOGETHER = 1_200;

export type BuilderStore = ReturnType<typeof makeStore>;

export function makeStore(name: string, saved: ApplicationDoc, etag: string | null, draft: Draft | null) {
  return createStore<Builder>()((set, get) => {
    const keep = () => {
      const { document, saved: there, etag: tag } = get();
      keepDraft(name, document === there ? null : { document, etag: tag, at: new Date().toISOString() });
    };
    const put = (part: Partial<Builder>) => {
      set(part);
      keep();
    };
    return {
      name,
      saved,
      etag: draft ? draft.etag : etag,
      document: draft?.document ?? saved,
      past: draft ? [saved] : [],
      future: [],
      last: null,
      selected: null,
      edge: null,
      panel: null,
      faults: [],
      warnings: [],
      change: (next, kind = "") => {
        const { document, past, last } = get();
        if (next === document) return;
        const now = Date.now();
        const together = kind !== "" && last?.kind === kind && now - last.at < TOGETHER;
        put({
          document: next,
          past: together ? past : [...past, document].slice(-DEPTH),
          future: [],
          last: { kind, at: now },
        });
      },
      undo: () => {
        const { past, document, future } = get();
        const before = past.at(-1);
        if (before)
          put({
            document: before,
            past: past.slice(0, -1),
            future: [document, ...future],
            last: null,
            ...lost(before, get()),
          });
      },
      redo: () => {
        const { past, document, future } = get();
        const next = future[0];
        if (next)
          put({
            document: next,
            past: [...past, document],
            future: future.slice(1),
            last: null,
            ...lost(next, get()),
          });
      },
      select: (selected) =>
        set({ selected, edge: null, panel: selected ? "step" : get().panel === "step" ? null : get().panel }),
      selectEdge: (edge) => set({ edge, selected: null, panel: get().panel === "step" ? null : get().panel }),
      show: (panel) => set({ panel, ...(panel === "step" ? {} : { selected: null }) }),
      stored: (document, tag) => put({ saved: document, document, etag: tag }),
      reset: (document, tag) =>
        put({
          saved: document,
          document,
          etag: tag,
          past: [],
          future: [],
          last: null,
          selected: null,
          edge: null,
        }),
      judged: (faults, warnings) => set({ faults, warnings }),
    };
  });
}

/** A selection that is not there any more is none. */
function lost(document: ApplicationDoc, { selected }: Builder): Partial<Builder> {
  return selected && !document.steps.some((step) => step.name === selected)
    ? { selected: null, panel: null }
    : {};
}

export const BuilderContext = createContext<BuilderStore | null>(null);

/** A part of the builder's state. */
export function useBuilder<T>(select: (state: Builder) => T): T {
  const store = useContext(BuilderContext);
  if (!store) throw new Error("outside of the builder");
  return useStore(store, select);
}
