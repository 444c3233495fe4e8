import { useMutation, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, useRouter } from "@tanstack/react-router";
import { type FormEvent, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { api, type Session } from "../api/client";
import { ApiError, explanationKey, isProblem } from "../api/problem";
import { sessionQuery } from "../api/queries";
import { PasswordInput } from "../components/password-input";
import { Button, Label, PageTitle } from "../components/ui";
import { WholePage } from "../components/whole-page";
import { chooseLanguage, LANGUAGES, type Language } from "../i18n";

const route = getRouteApi("/login");

export function LoginPage() {
  const { t } = useTranslation();
  const { next, ended } = route.useSearch();
  const router = useRouter();
  const queryClient = useQueryClient();
  const [wait, setWait] = useState(0);

  const signIn = useMutation({
    mutationFn: api.signIn,
    onSuccess: async (session: Session) => {
      queryClient.clear();
      queryClient.setQueryData(sessionQuery.queryKey, session);
      await router.navigate({
        to: session.must_change_password ? "/password" : (next ?? "/dashboard"),
        replace: true,
      });
    },
    onError: (error) => {
      if (error instanceof ApiError && error.status === 429) setWait(error.body.retry_after_s ?? 30);
    },
  });

  useEffect(() => {
    if (wait <= 0) return;
    const timer = setTimeout(() => setWait(wait - 1), 1000);
    return () => clearTimeout(timer);
  }, [wait]);

  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    signIn.mutate({
      username: String(form.get("username") ?? ""),
      password: String(form.get("password") ?? ""),
    });
  }

  function trouble(): string | null {
    if (wait > 0) return t("login.wait", { count: wait });
    const error = signIn.error;
    if (!error || signIn.isPending) return null;
    if (error instanceof ApiError && error.status === 429) return null;
    if (isProblem(error, "wrong-credentials") || (error instanceof ApiError && error.status === 422)) {
      return t("login.wrong");
    }
    return t(`error.${explanationKey(error)}`);
  }

  const words = trouble();
  return (
    <WholePage footer={<LanguageSwitch />}>
      <PageTitle title={t("login.title")} />
      <p className="mt-1 mb-6 text-soft">{t("login.lead")}</p>
      {ended && !words ? (
        <p role="status" className="mb-4 rounded-lg bg-note-wash px-3 py-2 text-note text-sm">
          {t("login.ended")}
        </p>
      ) : null}
      <form onSubmit={submit} className="grid gap-4">
        <div>
          <Label htmlFor="username">{t("login.username")}</Label>
          <input
            id="username"
            name="username"
            className="field"
            autoComplete="username"
            autoCapitalize="none"
            spellCheck={false}
            maxLength={63}
            required
            // biome-ignore lint/a11y/noAutofocus: signing in is all there is to do on this page
            autoFocus
          />
        </div>
        <div>
          <Label htmlFor="password">{t("login.password")}</Label>
          <PasswordInput id="password" name="password" autoComplete="current-password" required />
        </div>
        {words ? (
          <p role="alert" className="rounded-lg bg-bad-wash px-3 py-2 text-bad text-sm">
            {words}
          </p>
        ) : null}
        <Button type="submit" look="primary" disabled={signIn.isPending || wait > 0}>
          {signIn.isPending ? t("login.submitting") : t("login.submit")}
        </Button>
      </form>
    </WholePage>
  );
}

function LanguageSwitch() {
  const { t, i18n } = useTranslation();
  return (
    <div className="flex flex-wrap gap-1 text-sm">
      <span className="sr-only">{t("account.language")}</span>
      {(Object.entries(LANGUAGES) as [Language, string][]).map(([language, name]) => (
        <button
          key={language}
          type="button"
          lang={language}
          aria-pressed={i18n.language === language}
          onClick={() => void chooseLanguage(language)}
          className="min-h-11 rounded-lg px-3 text-soft hover:text-ink aria-pressed:font-medium aria-pressed:text-ink"
        >
          {name}
        </button>
      ))}
    </div>
  );
}
