import "./styles.css";
import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { makeQueryClient, sessionQuery } from "./api/queries";
import { startLanguage } from "./i18n";
import { followSystemTheme } from "./lib/theme";
import { makeRouter } from "./router";

const queryClient = makeQueryClient(onSessionEnd, onPasswordChangeRequired);
const router = makeRouter(queryClient);

/** The session ended while somebody was working: back to the sign-in, and from there to where they were. */
function onSessionEnd(): void {
  if (router.state.location.pathname === "/login") return;
  const next = router.state.location.href;
  queryClient.clear();
  void router.navigate({ to: "/login", search: { next, ended: true }, replace: true });
}

function onPasswordChangeRequired(): void {
  void queryClient
    .invalidateQueries(sessionQuery)
    .then(() => router.navigate({ to: "/password", replace: true }));
}

const root = document.getElementById("root");
if (!root) throw new Error("index.html has no #root");

followSystemTheme();
await startLanguage();
createRoot(root).render(
  <StrictMode>
    <QueryClientProvider client={queryClient}>
      <RouterProvider router={router} />
    </QueryClientProvider>
  </StrictMode>,
);
