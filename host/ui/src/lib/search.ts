import { useNavigate, useSearch } from "@tanstack/react-router";
import { useCallback } from "react";

/** What stands in the address after `?`. */
export type Search = Record<string, string | undefined>;

/** Values of an address as texts: the router reads `1` and `true` as a number and a truth value. */
export function texts(search: Record<string, unknown>): Search {
  return Object.fromEntries(
    Object.entries(search)
      .filter(([, value]) => value !== undefined && value !== null && value !== "")
      .map(([key, value]) => [key, typeof value === "string" ? value : JSON.stringify(value)]),
  );
}

/**
 * The page's search parameters and how to change some of them; `undefined` and `""` take one away.
 * A change replaces the entry of the browser's history unless `push` is given.
 */
export function useParams(): [Search, (change: Search, push?: boolean) => void] {
  const search = texts(useSearch({ strict: false }));
  const navigate = useNavigate();
  const set = useCallback(
    (change: Search, push = false) => {
      void navigate({
        to: ".",
        search: (old: Record<string, unknown>) => texts({ ...old, ...change }),
        replace: !push,
      } as never);
    },
    [navigate],
  );
  return [search, set];
}
