// Indonesian first, English second. The choice is kept in the browser.

import i18next from "i18next";
import { initReactI18next } from "react-i18next";
import { en } from "./en";
import { id } from "./id";

export const LANGUAGES = { id: "Bahasa Indonesia", en: "English" } as const;
export type Language = keyof typeof LANGUAGES;

const KEY = "govconnect.language";

function storedLanguage(): Language {
  try {
    return localStorage.getItem(KEY) === "en" ? "en" : "id";
  } catch {
    return "id";
  }
}

export async function startLanguage(): Promise<void> {
  await i18next.use(initReactI18next).init({
    resources: { id: { translation: id }, en: { translation: en } },
    lng: storedLanguage(),
    fallbackLng: "id",
    interpolation: { escapeValue: false },
  });
  document.documentElement.lang = i18next.language;
}

export async function chooseLanguage(language: Language): Promise<void> {
  try {
    localStorage.setItem(KEY, language);
  } catch {
    // Without storage the choice holds until the page is left.
  }
  await i18next.changeLanguage(language);
  document.documentElement.lang = language;
}
