import { useTranslation } from "react-i18next";

/** The mark and the name. */
export function Brand() {
  const { t } = useTranslation();
  return (
    <span className="inline-flex items-center gap-2.5 font-semibold tracking-tight">
      <img src="/favicon.svg" alt="" width="28" height="28" className="size-7" />
      {t("app.name")}
    </span>
  );
}
