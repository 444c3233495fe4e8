// Appearance and language, as two groups of choices.

import { useState } from "react";
import { useTranslation } from "react-i18next";
import { chooseLanguage, LANGUAGES, type Language } from "../i18n";
import { chooseTheme, type ThemeChoice, themeChoice } from "../lib/theme";

const CHOICE =
  "min-h-11 cursor-pointer rounded-[0.5rem] px-3.5 py-2.5 text-center text-sm font-medium text-soft has-checked:bg-surface has-checked:text-ink has-checked:shadow-card has-focus-visible:outline-2 has-focus-visible:outline-accent";

function Choices<T extends string>(props: {
  name: string;
  legend: string;
  options: [T, string][];
  chosen: T;
  choose: (value: T) => void;
}) {
  return (
    <fieldset>
      <legend className="mb-1.5 text-sm font-medium">{props.legend}</legend>
      <div className="inline-flex max-w-full flex-wrap gap-1 rounded-[0.75rem] bg-sunken p-1">
        {props.options.map(([value, words]) => (
          <label key={value} className={CHOICE}>
            <input
              type="radio"
              className="sr-only"
              name={props.name}
              value={value}
              checked={props.chosen === value}
              onChange={() => props.choose(value)}
            />
            {words}
          </label>
        ))}
      </div>
    </fieldset>
  );
}

export function ThemeChoices() {
  const { t } = useTranslation();
  const [chosen, setChosen] = useState<ThemeChoice>(themeChoice);
  return (
    <Choices
      name="theme"
      legend={t("account.theme")}
      options={[
        ["system", t("theme.system")],
        ["light", t("theme.light")],
        ["dark", t("theme.dark")],
      ]}
      chosen={chosen}
      choose={(choice) => {
        chooseTheme(choice);
        setChosen(choice);
      }}
    />
  );
}

export function LanguageChoices() {
  const { t, i18n } = useTranslation();
  return (
    <Choices
      name="language"
      legend={t("account.language")}
      options={Object.entries(LANGUAGES) as [Language, string][]}
      chosen={i18n.language as Language}
      choose={(language) => void chooseLanguage(language)}
    />
  );
}
