// The small pieces that every page is made of.

import { AlertTriangle, type LucideIcon, RotateCw } from "lucide-react";
import { type ButtonHTMLAttributes, type ReactNode, useEffect } from "react";
import { useTranslation } from "react-i18next";
import { explanationKey } from "../api/problem";

type ButtonLook = "primary" | "plain" | "quiet";

const LOOKS: Record<ButtonLook, string> = {
  primary: "bg-accent text-on-accent hover:bg-accent-strong",
  plain: "border border-control bg-surface text-ink hover:bg-sunken",
  quiet: "text-accent hover:bg-accent-wash",
};

export function buttonClass(look: ButtonLook = "plain", extra = ""): string {
  return `inline-flex min-h-11 items-center justify-center gap-2 rounded-[0.625rem] px-4 text-sm font-medium transition-colors disabled:opacity-60 ${LOOKS[look]} ${extra}`;
}

export function Button({
  look = "plain",
  className = "",
  ...rest
}: ButtonHTMLAttributes<HTMLButtonElement> & { look?: ButtonLook }) {
  return <button type="button" className={buttonClass(look, className)} {...rest} />;
}

/** A page's head; also names the browser's tab. */
export function PageTitle({ title, children }: { title: string; children?: ReactNode }) {
  useEffect(() => {
    document.title = `${title} · GovConnect`;
  }, [title]);
  return (
    <div className="flex flex-wrap items-center justify-between gap-x-4 gap-y-2">
      <h1 className="text-2xl font-semibold tracking-tight">{title}</h1>
      {children}
    </div>
  );
}

/** Nothing here, said kindly. */
export function Empty({
  icon: Icon,
  title,
  children,
}: {
  icon: LucideIcon;
  title: string;
  children?: ReactNode;
}) {
  return (
    <div className="grid justify-items-center gap-2 px-6 py-14 text-center">
      <span className="grid size-12 place-items-center rounded-full bg-sunken text-soft">
        <Icon className="size-6" aria-hidden="true" />
      </span>
      <p className="font-medium">{title}</p>
      {children ? <div className="max-w-sm text-sm text-soft">{children}</div> : null}
    </div>
  );
}

/** A failure instead of the data, with a way to try again. */
export function Failure({ error, retry }: { error: unknown; retry: () => void }) {
  const { t } = useTranslation();
  return (
    <div role="alert" className="grid justify-items-center gap-3 px-6 py-14 text-center">
      <span className="grid size-12 place-items-center rounded-full bg-bad-wash text-bad">
        <AlertTriangle className="size-6" aria-hidden="true" />
      </span>
      <p className="font-medium">{t("error.title")}</p>
      <p className="max-w-sm text-sm text-soft">{t(`error.${explanationKey(error)}`)}</p>
      <Button onClick={retry}>
        <RotateCw className="size-4" aria-hidden="true" />
        {t("error.retry")}
      </Button>
    </div>
  );
}

/** A failure beside older data that is still shown. */
export function Stale({ error }: { error: unknown }) {
  const { t } = useTranslation();
  return (
    <p role="status" className="flex items-start gap-2 rounded-lg bg-warn-wash px-3 py-2 text-sm text-warn">
      <AlertTriangle className="mt-0.5 size-4 shrink-0" aria-hidden="true" />
      {t("error.stale", { reason: t(`error.${explanationKey(error)}`) })}
    </p>
  );
}

/** Grey bars while data is on its way. */
export function Skeleton({ rows = 5, className = "" }: { rows?: number; className?: string }) {
  const { t } = useTranslation();
  return (
    <div role="status" className={`grid gap-3 p-4 ${className}`}>
      <span className="sr-only">{t("app.loading")}</span>
      {Array.from({ length: rows }, (_, row) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the bars are all alike and never move
        <div key={row} className="h-11 animate-pulse rounded-lg bg-sunken" />
      ))}
    </div>
  );
}

export function Label({ htmlFor, children }: { htmlFor: string; children: ReactNode }) {
  return (
    <label htmlFor={htmlFor} className="mb-1.5 block text-sm font-medium">
      {children}
    </label>
  );
}
