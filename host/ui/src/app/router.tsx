import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  redirect,
} from "@tanstack/react-router";

import { onLoggedOut } from "@/api/client";
import { queryClient } from "@/api/query";
import { sessionQuery } from "@/api/session";
import { applicationQuery } from "@/features/application/api";
import { Loading, ProblemAlert } from "@/ui/states";
import { texts, type Search } from "@/lib/search";
import { Frame } from "./Frame";
import { NotFound } from "./NotFound";

const validateSearch = (search: Record<string, unknown>): Search => texts(search);

const root = createRootRoute({ notFoundComponent: NotFound, validateSearch });

const login = createRoute({
  getParentRoute: () => root,
  path: "/login",
  component: lazyRouteComponent(() => import("@/features/login/LoginPage"), "LoginPage"),
});

/** Everything that needs somebody logged in. */
const inside = createRoute({
  getParentRoute: () => root,
  id: "inside",
  component: Frame,
  beforeLoad: async ({ location, matches }) => {
    // The page's code comes while the session is asked for.
    for (const match of matches) void router.loadRouteChunk(router.routesById[match.routeId]);
    const session = await queryClient.query({ ...sessionQuery, staleTime: 60_000 });
    // The router takes a redirect as something that is thrown.
    if (!session) throw redirect({ to: "/login", search: { to: location.href } as never });
  },
});

/** A page of its own chunk. Each exports a component `Page`. What `read` begins to read comes with its code. */
const page = <P extends string>(
  path: P,
  load: () => Promise<{ Page: () => React.ReactNode }>,
  read?: (params: Record<string, string>) => void,
) =>
  createRoute({
    getParentRoute: () => inside,
    path,
    component: lazyRouteComponent(load, "Page"),
    loader: ({ params }) => read?.(params),
  });

const readApplication = ({ name = "" }: Record<string, string>) =>
  void queryClient.prefetchQuery(applicationQuery(name));

// The table of all pages.
const tree = root.addChildren([
  login,
  inside.addChildren([
    page("/", () => import("@/features/dashboard")),
    page("/applications", () => import("@/features/applications")),
    page("/applications/$name", () => import("@/features/application")),
    page("/applications/$name/edit", () => import("@/features/builder"), readApplication),
    page("/runs", () => import("@/features/runs")),
    page("/configurations", () => import("@/features/configurations")),
    page("/configurations/$name", () => import("@/features/configurations/detail")),
    page("/schedules", () => import("@/features/schedules")),
    page("/webhooks", () => import("@/features/webhooks")),
    page("/queues", () => import("@/features/queues")),
    page("/dead-letters", () => import("@/features/dead-letters")),
    page("/approvals", () => import("@/features/approvals")),
    page("/syncpacks", () => import("@/features/syncpacks")),
    page("/steps", () => import("@/features/steps")),
    page("/cache", () => import("@/features/cache")),
    page("/notifications", () => import("@/features/notifications")),
    page("/about", () => import("@/features/about")),
    page("/help", () => import("@/features/help")),
    page("/help/$topic", () => import("@/features/help")),
  ]),
]);

export const router = createRouter({
  routeTree: tree,
  defaultPreload: "intent",
  defaultPendingMs: 150,
  defaultPendingComponent: () => <Loading />,
  defaultErrorComponent: ({ error, reset }) => <ProblemAlert error={error} retry={reset} />,
  scrollRestoration: true,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}

onLoggedOut(() => {
  if (router.state.location.pathname === "/login") return;
  queryClient.setQueryData(sessionQuery.queryKey, null);
  void router.navigate({ to: "/login", search: { to: router.state.location.href } as never });
});
