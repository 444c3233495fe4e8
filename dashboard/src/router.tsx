// The pages and who may see them. Each page is its own chunk; the frame around them is loaded once.

import type { QueryClient } from "@tanstack/react-query";
import {
  createRootRouteWithContext,
  createRoute,
  createRouter,
  lazyRouteComponent,
  redirect,
} from "@tanstack/react-router";
import { sessionQuery } from "./api/queries";
import { Frame } from "./components/frame";
import { CrashPage, NotFoundPage } from "./components/whole-page";

interface Context {
  queryClient: QueryClient;
}

/** A text from the address bar, if there is one. */
function text(value: unknown): string | undefined {
  if (typeof value === "number") return String(value);
  return typeof value === "string" && value !== "" ? value.slice(0, 200) : undefined;
}

const rootRoute = createRootRouteWithContext<Context>()({
  notFoundComponent: NotFoundPage,
  errorComponent: CrashPage,
});

const loginRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: "/login",
  validateSearch: (search: Record<string, unknown>): { next?: string; ended?: true } => {
    const next = text(search.next);
    // Only places in here: "//elsewhere" is another host.
    const inside = next?.startsWith("/") && !next.startsWith("//") ? next : undefined;
    return { ...(inside ? { next: inside } : {}), ...(search.ended ? { ended: true as const } : {}) };
  },
  component: lazyRouteComponent(() => import("./pages/login"), "LoginPage"),
});

const passwordRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: "/password",
  beforeLoad: async ({ context }) => {
    const session = await context.queryClient.ensureQueryData(sessionQuery).catch(toLogin("/password"));
    if (!session.must_change_password) throw redirect({ to: "/settings", replace: true });
  },
  component: lazyRouteComponent(() => import("./pages/password"), "PasswordPage"),
});

function toLogin(next: string) {
  return (error: unknown): never => {
    if (error instanceof Error && "status" in error && error.status === 401) {
      throw redirect({ to: "/login", search: next === "/" ? {} : { next }, replace: true });
    }
    throw error;
  };
}

const frameRoute = createRoute({
  getParentRoute: () => rootRoute,
  id: "frame",
  beforeLoad: async ({ context, location }) => {
    const session = await context.queryClient.ensureQueryData(sessionQuery).catch(toLogin(location.href));
    if (session.must_change_password) throw redirect({ to: "/password", replace: true });
  },
  component: Frame,
});

const homeRoute = createRoute({
  getParentRoute: () => frameRoute,
  path: "/",
  beforeLoad: () => {
    throw redirect({ to: "/dashboard", replace: true });
  },
});

const todayRoute = createRoute({
  getParentRoute: () => frameRoute,
  path: "/dashboard",
  component: lazyRouteComponent(() => import("./pages/today"), "TodayPage"),
});

const complaintsRoute = createRoute({
  getParentRoute: () => frameRoute,
  path: "/complaints",
  validateSearch: (search: Record<string, unknown>): { status?: string; kategori?: string; q?: string } => {
    const [status, kategori, q] = [text(search.status), text(search.kategori), text(search.q)];
    return { ...(status ? { status } : {}), ...(kategori ? { kategori } : {}), ...(q ? { q } : {}) };
  },
  component: lazyRouteComponent(() => import("./pages/complaints"), "ComplaintsPage"),
});

const complaintRoute = createRoute({
  getParentRoute: () => frameRoute,
  path: "/complaints/$complaintId",
  component: lazyRouteComponent(() => import("./pages/complaint"), "ComplaintPage"),
});

const liveChatRoute = createRoute({
  getParentRoute: () => frameRoute,
  path: "/live-chat",
  validateSearch: (search: Record<string, unknown>): { c?: string } => {
    const c = text(search.c);
    return c ? { c } : {};
  },
  component: lazyRouteComponent(() => import("./pages/live-chat"), "LiveChatPage"),
});

const settingsRoute = createRoute({
  getParentRoute: () => frameRoute,
  path: "/settings",
  component: lazyRouteComponent(() => import("./pages/settings"), "SettingsPage"),
});

const routeTree = rootRoute.addChildren([
  loginRoute,
  passwordRoute,
  frameRoute.addChildren([
    homeRoute,
    todayRoute,
    complaintsRoute,
    complaintRoute,
    liveChatRoute,
    settingsRoute,
  ]),
]);

export function makeRouter(queryClient: QueryClient) {
  return createRouter({
    routeTree,
    context: { queryClient },
    defaultPreload: "intent",
    scrollRestoration: true,
    defaultNotFoundComponent: NotFoundPage,
    defaultErrorComponent: CrashPage,
  });
}

declare module "@tanstack/react-router" {
  interface Register {
    router: ReturnType<typeof makeRouter>;
  }
}
