// Choosing a new password, first time or later.

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { api, type Session } from "../api/client";
import { ApiError, explanationKey, isProblem } from "../api/problem";
import { sessionQuery } from "../api/queries";
import { PasswordInput } from "./password-input";
import { Button, Label } from "./ui";

/** As the server asks for. */
const SHORTEST = 12;

type Trouble = { field: "current" | "new" | "repeat" | null; words: string };

export function PasswordForm({ onDone }: { onDone: () => void }) {
  const { t } = useTranslation();
  const queryClient = useQueryClient();
  const [mistake, setMistake] = useState<Trouble | null>(null);
  const change = useMutation({
    mutationFn: api.changePassword,
    onSuccess: (session: Session) => {
      queryClient.setQueryData(sessionQuery.queryKey, session);
      onDone();
    },
  });

  const trouble = mistake ?? (change.error ? explain(change.error) : null);

  function explain(error: unknown): Trouble {
    if (isProblem(error, "wrong-password")) return { field: "current", words: t("password.wrongCurrent") };
    if (isProblem(error, "weak-password")) return { field: "new", words: t("password.weak") };
    if (error instanceof ApiError && error.status === 429) {
      return { field: null, words: t("login.wait", { count: error.body.retry_after_s ?? 60 }) };
    }
    return { field: null, words: t(`error.${explanationKey(error)}`) };
  }

  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const value = (name: string) => String(form.get(name) ?? "");
    const [current, chosen, repeated] = [value("current"), value("new"), value("repeat")];
    if ([...chosen].length < SHORTEST) return setMistake({ field: "new", words: t("password.tooShort") });
    if (chosen !== repeated) return setMistake({ field: "repeat", words: t("password.mismatch") });
    setMistake(null);
    change.mutate({ current_password: current, new_password: chosen });
  }

  const described = (field: Trouble["field"], hint?: string) =>
    trouble?.field === field
      ? { "aria-invalid": true, "aria-describedby": "password-trouble" }
      : { "aria-describedby": hint };

  return (
    <form onSubmit={submit} className="grid gap-4" noValidate>
      <div>
        <Label htmlFor="current">{t("password.current")}</Label>
        <PasswordInput
          id="current"
          name="current"
          autoComplete="current-password"
          {...described("current")}
        />
      </div>
      <div>
        <Label htmlFor="new">{t("password.new")}</Label>
        <PasswordInput
          id="new"
          name="new"
          autoComplete="new-password"
          {...described("new", "password-hint")}
        />
        <p id="password-hint" className="mt-1.5 text-sm text-soft">
          {t("password.hint")}
        </p>
      </div>
      <div>
        <Label htmlFor="repeat">{t("password.repeat")}</Label>
        <PasswordInput id="repeat" name="repeat" autoComplete="new-password" {...described("repeat")} />
      </div>
      {trouble ? (
        <p id="password-trouble" role="alert" className="rounded-lg bg-bad-wash px-3 py-2 text-bad text-sm">
          {trouble.words}
        </p>
      ) : null}
      <Button type="submit" look="primary" disabled={change.isPending}>
        {change.isPending ? t("password.submitting") : t("password.submit")}
      </Button>
    </form>
  );
}
