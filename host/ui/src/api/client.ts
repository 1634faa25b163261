import createClient, { type Middleware } from "openapi-fetch";

import { problemOf } from "./problem";
import type { components, paths } from "./schema";

/** A schema of the API by its name. */
export type Schema<K extends keyof components["schemas"]> = components["schemas"][K];

/** The token that changes carry, so that no other site can make them with this one's cookie. */
let csrf: string | null = null;
export function setCsrf(token: string | null): void {
  csrf = token;
}

/** Headers that every request to the service carries. */
export function ownHeaders(method: string): Record<string, string> {
  const headers: Record<string, string> = { "X-Requested-With": "powerflow-ui" };
  if (csrf && method !== "GET" && method !== "HEAD") headers["X-PowerFlow-CSRF"] = csrf;
  return headers;
}

/** What is told when an answer says that nobody is logged in. */
let loggedOut: () => void = () => undefined;
export function onLoggedOut(then: () => void): void {
  loggedOut = then;
}

const own: Middleware = {
  onRequest({ request }) {
    for (const [name, value] of Object.entries(ownHeaders(request.method))) request.headers.set(name, value);
  },
  async onResponse({ response }) {
    if (response.ok) return;
    if (response.status === 401) loggedOut();
    throw await problemOf(response);
  },
};

/** The service's API. A refused request throws a {@link Problem}. */
export const api = createClient<paths>({ baseUrl: "", credentials: "same-origin" });
api.use(own);

/** The data of an answer, for queries: `await data(api.GET(…))`. */
export async function data<T>(answer: Promise<{ data?: T; response: Response }>): Promise<NonNullable<T>> {
  const { data: body } = await answer;
  return body as NonNullable<T>;
}

/** The data of an answer with its ETag, for what is saved back. */
export async function tagged<T>(
  answer: Promise<{ data?: T; response: Response }>,
): Promise<{ body: NonNullable<T>; etag: string | null }> {
  const { data: body, response } = await answer;
  return { body: body as NonNullable<T>, etag: response.headers.get("ETag") };
}

/**
 * A request to an address that the typed client does not know by its exact path, such as an `href`
 * of an answer. A refused one throws a {@link Problem}.
 */
export async function request<T>(
  method: string,
  href: string,
  body?: unknown,
  headers: Record<string, string> = {},
  signal?: AbortSignal,
): Promise<T> {
  const response = await fetch(href, {
    method,
    credentials: "same-origin",
    signal: signal ?? null,
    headers: {
      ...ownHeaders(method),
      ...headers,
      Accept: "application/json",
      ...(body === undefined ? {} : { "Content-Type": "application/json" }),
    },
    body: body === undefined ? null : JSON.stringify(body),
  });
  if (!response.ok) {
    if (response.status === 401) loggedOut();
    throw await problemOf(response);
  }
  return (response.status === 204 ? undefined : await response.json()) as T;
}
