import { useQuery, useQueryClient, type QueryClient } from "@tanstack/react-query";

import { request, setCsrf } from "./client";

/** Who is logged in, and what they may do. */
export interface Session {
  user: string;
  role: string;
  /** `view`, `execute`, `configuration`, `developer`, `administrator`. */
  permissions: string[];
  /** Goes with each change; `null` for callers by Basic authentication. */
  csrf: string | null;
  expires: string | null;
}

/** A permission; each includes those before it. */
export type Permission = "view" | "execute" | "configuration" | "developer" | "administrator";

export const sessionQuery = {
  queryKey: ["session"],
  queryFn: async (): Promise<Session | null> => {
    // Nobody is logged in: the answer has no content.
    const session = (await request<Session | undefined>("GET", "/api/v1/session")) ?? null;
    setCsrf(session?.csrf ?? null);
    return session;
  },
  staleTime: 60_000,
} as const;

/** Logs in; throws a {@link Problem} that says why not. */
export async function logIn(client: QueryClient, user: string, password: string): Promise<void> {
  const session = await request<Session>("POST", "/api/v1/session", { user, password });
  setCsrf(session.csrf);
  client.setQueryData(sessionQuery.queryKey, session);
}

/** Logs out, leaves the pages, and forgets all that was read. */
export async function logOut(client: QueryClient, leave: () => Promise<void>): Promise<void> {
  await request("DELETE", "/api/v1/session");
  setCsrf(null);
  await leave();
  client.clear();
  client.setQueryData(sessionQuery.queryKey, null);
}

/** Whoever is logged in. */
export function useSession(): Session | null {
  return useQuery(sessionQuery).data ?? null;
}

/** Whether whoever is logged in has a permission; `why` says which is missing, for a disabled action. */
export function useMay(permission: Permission): { may: boolean; why: string | null } {
  const session = useSession();
  const may = session?.permissions.some((own) => own.toLowerCase() === permission) ?? false;
  const name = permission.charAt(0).toUpperCase() + permission.slice(1);
  return { may, why: may ? null : `Needs the permission ${name}.` };
}

/** Reads the session again. */
export function useRefreshSession(): () => Promise<void> {
  const client = useQueryClient();
  return () => client.invalidateQueries({ queryKey: sessionQuery.queryKey });
}
