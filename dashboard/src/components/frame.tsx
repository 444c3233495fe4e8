// What stands around every page: the menu (at the side, or at the bottom of a phone) and the account.

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link, Outlet, useNavigate } from "@tanstack/react-router";
import { Inbox, LogOut, MessagesSquare, Settings, Sun, User } from "lucide-react";
import { useTranslation } from "react-i18next";
import { api } from "../api/client";
import { initials } from "../lib/format";
import { useOnline, useSession } from "../lib/hooks";
import { Brand } from "./brand";

const PAGES = [
  { to: "/dashboard", icon: Sun, words: "nav.today", needs: "overview_read" },
  { to: "/complaints", icon: Inbox, words: "nav.complaints", needs: "complaints_read" },
  { to: "/live-chat", icon: MessagesSquare, words: "nav.liveChat", needs: "conversations_read" },
  { to: "/settings", icon: Settings, words: "nav.settings", needs: null },
] as const;

function usePages() {
  const { permissions } = useSession();
  return PAGES.filter((page) => page.needs === null || permissions.includes(page.needs));
}

export function Frame() {
  const { t } = useTranslation();
  const online = useOnline();
  const session = useSession();
  const pages = usePages();
  return (
    <div className="min-h-dvh lg:grid lg:grid-cols-[15.5rem_minmax(0,1fr)]">
      <a
        href="#content"
        className="sr-only z-20 rounded-md bg-accent px-4 py-2 text-on-accent focus:not-sr-only focus:fixed focus:top-2 focus:left-2"
      >
        {t("app.skip")}
      </a>

      <header className="sticky top-0 z-10 flex h-14 items-center justify-between border-line border-b bg-surface px-4 lg:hidden">
        <Brand />
        <Account compact />
      </header>

      <aside className="sticky top-0 hidden h-dvh flex-col border-line border-r bg-surface p-3 lg:flex">
        <div className="px-2 pt-2 pb-5">
          <Brand />
          {session.office ? <p className="mt-2 text-sm text-soft">{session.office.name}</p> : null}
        </div>
        <nav aria-label={t("nav.label")} className="grid gap-1">
          {pages.map(({ to, icon: Icon, words }) => (
            <Link
              key={to}
              to={to}
              activeOptions={{ includeSearch: false }}
              className="flex min-h-11 items-center gap-3 rounded-lg px-3 font-medium text-sm text-soft hover:bg-sunken hover:text-ink data-[status=active]:bg-accent-wash data-[status=active]:text-accent-strong"
            >
              <Icon className="size-[1.15rem]" aria-hidden="true" />
              {t(words)}
            </Link>
          ))}
        </nav>
        <div className="mt-auto">
          <Account />
        </div>
      </aside>

      <div className="flex min-w-0 flex-col pb-[calc(4rem+env(safe-area-inset-bottom))] lg:pb-0">
        {online ? null : (
          <p role="status" className="bg-warn-wash px-4 py-2 text-center text-sm text-warn">
            {t("app.offline")}
          </p>
        )}
        <main id="content" tabIndex={-1} className="min-w-0 flex-1 outline-none">
          <Outlet />
        </main>
      </div>

      <nav
        aria-label={t("nav.label")}
        className="fixed inset-x-0 bottom-0 z-10 grid auto-cols-fr grid-flow-col border-line border-t bg-surface pb-[env(safe-area-inset-bottom)] lg:hidden"
      >
        {pages.map(({ to, icon: Icon, words }) => (
          <Link
            key={to}
            to={to}
            activeOptions={{ includeSearch: false }}
            className="grid min-h-16 content-center justify-items-center gap-1 text-xs text-soft data-[status=active]:font-medium data-[status=active]:text-accent-strong"
          >
            <Icon className="size-5" aria-hidden="true" />
            {t(words)}
          </Link>
        ))}
      </nav>
    </div>
  );
}

function useSignOut() {
  const queryClient = useQueryClient();
  const navigate = useNavigate();
  return useMutation({
    mutationFn: api.signOut,
    // Whatever the answer, this browser shows nothing more: a session that has ended already is signed out too.
    onSettled: async () => {
      await navigate({ to: "/login" });
      queryClient.clear();
    },
  });
}

/** Who is signed in, and the way out; on a phone only the way out. */
function Account({ compact = false }: { compact?: boolean }) {
  const { t } = useTranslation();
  const { admin } = useSession();
  const signOut = useSignOut();
  return (
    <div className="flex items-center gap-3">
      {compact ? null : (
        <>
          <span className="ml-2 grid size-9 shrink-0 place-items-center rounded-full bg-accent-wash font-semibold text-accent-strong text-xs">
            {initials(admin.display_name) || <User className="size-4" aria-hidden="true" />}
          </span>
          <span className="min-w-0 flex-1">
            <span className="block truncate font-medium text-sm">{admin.display_name}</span>
            <span className="block text-soft text-xs">{t(`role.${admin.role}`)}</span>
          </span>
        </>
      )}
      <button
        type="button"
        aria-label={t("account.signOut")}
        title={t("account.signOut")}
        disabled={signOut.isPending}
        onClick={() => signOut.mutate()}
        className="-mr-1 grid size-11 shrink-0 place-items-center rounded-lg text-soft hover:bg-sunken hover:text-ink"
      >
        <LogOut className="size-[1.15rem]" aria-hidden="true" />
      </button>
    </div>
  );
}
