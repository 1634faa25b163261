import { useInfiniteQuery, type QueryKey } from "@tanstack/react-query";

import { LIVE } from "@/api/query";

interface Listing<T> {
  items: T[];
  next?: string | null;
  total?: number | null;
}

/**
 * A list that the service pages by cursor: its rows so far, and how to read on. `live` reads what is
 * shown again every few seconds.
 */
export function usePages<T>(
  key: QueryKey,
  read: (after: string | undefined) => Promise<Listing<T>>,
  options: { live?: boolean; enabled?: boolean } = {},
) {
  const query = useInfiniteQuery({
    queryKey: key,
    queryFn: ({ pageParam }) => read(pageParam),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next ?? undefined,
    refetchInterval: options.live ? LIVE : false,
    enabled: options.enabled ?? true,
    placeholderData: (old) => old,
  });
  return {
    rows: query.data?.pages.flatMap((page) => page.items),
    total: query.data?.pages[0]?.total ?? undefined,
    error: query.error,
    retry: () => void query.refetch(),
    more: query.hasNextPage ? () => void query.fetchNextPage() : undefined,
    loadingMore: query.isFetchingNextPage,
  };
}
