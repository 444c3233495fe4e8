// Pages without the frame: signing in, nothing found, something broken.

import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { Brand } from "./brand";
import { Button, buttonClass, Failure, PageTitle } from "./ui";

/** A single card in the middle of the screen. */
export function WholePage({ children, footer }: { children: ReactNode; footer?: ReactNode }) {
  return (
    <main className="grid min-h-dvh content-center justify-items-center gap-6 px-4 py-10">
      <Brand />
      <div className="card w-full max-w-sm p-6 sm:p-8">{children}</div>
      {footer}
    </main>
  );
}

export function NotFoundPage() {
  const { t } = useTranslation();
  return (
    <WholePage>
      <PageTitle title={t("error.notFound")} />
      <p className="mt-2 mb-6 text-soft">{t("error.notFoundLead")}</p>
      <Link to="/dashboard" className={buttonClass("primary", "w-full")}>
        {t("error.home")}
      </Link>
    </WholePage>
  );
}

export function CrashPage({ error }: { error: unknown }) {
  const { t } = useTranslation();
  const reload = () => location.reload();
  if (error instanceof Error && ("status" in error || error instanceof TypeError)) {
    return (
      <WholePage>
        <Failure error={error} retry={reload} />
      </WholePage>
    );
  }
  return (
    <WholePage>
      <PageTitle title={t("error.crash")} />
      <p className="mt-2 mb-6 text-soft">{t("error.unexpected")}</p>
      <Button look="primary" className="w-full" onClick={reload}>
        {t("error.reload")}
      </Button>
    </WholePage>
  );
}
