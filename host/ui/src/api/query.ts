import { QueryClient } from "@tanstack/react-query";

import { Problem } from "./problem";

/** Keeps what was read. Only what did not arrive is asked for again by itself. */
export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 2_000,
      retry: (count, error) => error instanceof Problem && error.unreachable && count < 2,
      retryDelay: (attempt) => Math.min(500 * 2 ** attempt, 5_000),
      refetchOnWindowFocus: true,
    },
    mutations: { retry: false },
  },
});

/** How often lists that change are read again, in milliseconds. */
export const LIVE = 5_000;
