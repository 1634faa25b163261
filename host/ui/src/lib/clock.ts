import { useSyncExternalStore } from "react";

// One timer for everything on the page that shows how long ago something was.
let now = Date.now();
const listeners = new Set<() => void>();
let timer: number | undefined;

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  if (timer === undefined) {
    now = Date.now();
    timer = window.setInterval(() => {
      now = Date.now();
      for (const each of listeners) each();
    }, 1_000);
  }
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) {
      window.clearInterval(timer);
      timer = undefined;
    }
  };
}

/** The time now in milliseconds, moved on each second while somebody looks. */
export function useNow(): number {
  return useSyncExternalStore(subscribe, () => now);
}
