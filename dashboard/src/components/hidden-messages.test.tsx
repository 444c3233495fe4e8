import i18next from "i18next";
import { renderToStaticMarkup } from "react-dom/server";
import { I18nextProvider, initReactI18next } from "react-i18next";
import { beforeAll, expect, test } from "vitest";
import { en } from "../i18n/en";
import { id } from "../i18n/id";
import { HiddenMessages } from "./hidden-messages";

beforeAll(async () => {
  await i18next.use(initReactI18next).init({
    resources: { id: { translation: id }, en: { translation: en } },
    lng: "id",
    interpolation: { escapeValue: false },
  });
});

function markup(language: string, count: number, open: boolean): string {
  return renderToStaticMarkup(
    <I18nextProvider i18n={i18next.cloneInstance({ lng: language })}>
      <HiddenMessages count={count} open={open} toggle={() => {}}>
        <li>halo</li>
      </HiddenMessages>
    </I18nextProvider>,
  );
}

test.each([
  ["id", 1, false, "1 pesan disembunyikan · Tampilkan"],
  ["id", 41, false, "41 pesan disembunyikan · Tampilkan"],
  ["id", 41, true, "41 pesan berturut-turut · Sembunyikan"],
  ["en", 1, false, "1 message hidden · Show"],
  ["en", 41, false, "41 messages hidden · Show"],
  ["en", 1, true, "1 message in a row · Hide"],
  ["en", 41, true, "41 messages in a row · Hide"],
])("says how many, in %s: %d, open %s", (language, count, open, words) => {
  const button = /<button.*?<\/button>/.exec(markup(language, count, open))?.[0] ?? "";
  expect(button.replaceAll(/<[^>]*>/g, "")).toBe(words);
});

test("the messages are only there when open, and the button says which they are", () => {
  const closed = markup("id", 4, false);
  expect(closed).toContain('aria-expanded="false"');
  expect(closed).not.toContain("aria-controls");
  expect(closed).not.toContain("halo");

  const open = markup("id", 4, true);
  expect(open).toContain('aria-expanded="true"');
  const list = /aria-controls="([^"]+)"/.exec(open)?.[1];
  expect(open).toContain(`<ol id="${list}"`);
  expect(open).toContain("halo");
});
