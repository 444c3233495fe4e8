import { useNavigate } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { PasswordForm } from "../components/password-form";
import { PageTitle } from "../components/ui";
import { WholePage } from "../components/whole-page";

/** The first thing after the first sign-in, and the only thing until it is done. */
export function PasswordPage() {
  const { t } = useTranslation();
  const navigate = useNavigate();
  return (
    <WholePage>
      <PageTitle title={t("password.title")} />
      <p className="mt-2 mb-6 text-soft">{t("password.lead")}</p>
      <PasswordForm onDone={() => void navigate({ to: "/dashboard", replace: true })} />
    </WholePage>
  );
}
