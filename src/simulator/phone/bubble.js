// One message as a bubble. Knows every kind the simulator can carry; what it does not know, it names.

import { clockTime, el, richText } from "./dom.js";
import { icon } from "./icons.js";

const TICKS = {
  accepted: ["◷", "menunggu"],
  sent: ["✓", "terkirim"],
  delivered: ["✓✓", "sampai"],
  read: ["✓✓", "dibaca"],
  failed: ["!", "gagal"],
};

// `actions`: {say(message, replyTo), openList(interactive, replyTo), openLocation(replyTo)}
export function bubble(message, all, actions) {
  const mine = message.from === "citizen";
  const reactions = Object.values(message.reactions).join("");
  return el(
    "li",
    { class: `message ${mine ? "mine" : "theirs"}`, "data-wamid": message.wamid, "data-type": message.type },
    el(
      "div",
      { class: "bubble", "aria-label": mine ? "Dari saya" : "Dari kantor" },
      quote(message, all),
      ...body(message, mine),
      el("p", { class: "meta" }, el("time", { datetime: message.at }, clockTime(message.at)), mine ? tick(message) : null),
      reactions ? el("span", { class: "reactions" }, reactions) : null,
    ),
    ...choices(message, mine, actions),
    badge(message, mine),
  );
}

function tick(message) {
  const waiting = message.webhook && !message.webhook.answered_200 && message.progress === "accepted";
  const [sign, label] = TICKS[waiting && message.webhook.attempts === 0 ? "accepted" : waiting ? "sent" : message.progress];
  return el("span", { class: `tick ${message.progress}`, role: "img", "aria-label": label, title: label }, sign);
}

function badge(message, mine) {
  if (mine && message.webhook && !message.webhook.answered_200 && message.webhook.attempts > 0) {
    const { attempts, last_status: status } = message.webhook;
    const why = status === null ? "tidak ada jawaban" : `HTTP ${status}`;
    return el("p", { class: "badge" }, `Belum sampai ke webhook (${why}), percobaan ke-${attempts}; diulang otomatis`);
  }
  if (!mine && message.progress === "failed") {
    return el("p", { class: "badge" }, `Gagal dikirim: ${message.error?.code ?? ""} ${message.error?.title ?? ""}`);
  }
  return null;
}

function quote(message, all) {
  const quoted = message.reply_to && all.find((other) => other.wamid === message.reply_to);
  return quoted ? el("blockquote", {}, summary(quoted)) : null;
}

export function summary(message) {
  const { content, type } = message;
  const named = {
    image: "Foto", video: "Video", audio: "Pesan suara", document: "Dokumen", sticker: "Stiker",
    location: "Lokasi", contacts: "Kontak",
  };
  return (
    content?.body?.text ?? content?.body ?? content?.rendered ?? content?.caption ?? content?.text ??
    content?.button_reply?.title ?? content?.list_reply?.title ?? named[type] ?? type
  );
}

const source = (medium) => (medium.id ? `/phone/media/${encodeURIComponent(medium.id)}` : medium.link);

function body(message, mine) {
  const { content, type } = message;
  switch (type) {
    case "text":
      return [text(content.body)];
    case "image":
    case "sticker":
      return [
        el("img", { class: type, src: source(content), alt: content.caption ?? "Foto", loading: "lazy" }),
        content.caption ? text(content.caption) : null,
      ];
    case "video":
      return [el("video", { src: source(content), controls: true }), content.caption ? text(content.caption) : null];
    case "audio":
      return [el("audio", { src: source(content), controls: true, preload: "metadata", "aria-label": "Pesan suara" })];
    case "document":
      return [
        el("a", { class: "file", href: source(content), target: "_blank", rel: "noreferrer" }, icon("document"), ` ${content.filename ?? "Dokumen"}`),
        content.caption ? text(content.caption) : null,
      ];
    case "location":
      return [location(content)];
    case "contacts":
      return content.map((contact) =>
        el("p", { class: "file" }, icon("person"), ` ${contact.name?.formatted_name ?? "?"} ${contact.phones?.[0]?.phone ?? ""}`),
      );
    case "interactive":
      return interactive(content, mine);
    case "template":
      return [el("p", { class: "tag" }, `Templat · ${content.name}`), ...template(content)];
    case "button":
      return [text(content.text)];
    default:
      return [el("p", { class: "tag" }, type), el("pre", {}, JSON.stringify(content, null, 1))];
  }
}

const text = (words) => el("p", { class: "text" }, richText(words));

function interactive(content, mine) {
  if (mine) {
    const reply = content.button_reply ?? content.list_reply;
    return [text(reply?.title ?? "?"), reply?.description ? el("p", { class: "soft" }, reply.description) : null];
  }
  const header = content.header;
  return [
    header?.type === "text" ? el("p", { class: "head" }, header.text) : null,
    header?.image ? el("img", { class: "image", src: source(header.image), alt: "" }) : null,
    header?.document ? el("a", { class: "file", href: source(header.document) }, icon("document"), " Dokumen") : null,
    text(content.body.text),
    content.footer ? el("p", { class: "soft" }, content.footer.text) : null,
  ];
}

function template(content) {
  if (content.rendered) return [text(content.rendered)];
  const parameters = (content.components ?? [])
    .filter((component) => component.type === "body")
    .flatMap((component) => component.parameters ?? []);
  return parameters.map((parameter) => el("p", { class: "text" }, `• ${parameter.text ?? parameter.type}`));
}

function location(content) {
  const { latitude, longitude, name, address } = content;
  const map = `https://www.openstreetmap.org/?mlat=${latitude}&mlon=${longitude}#map=17/${latitude}/${longitude}`;
  return el(
    "a",
    { class: "place", href: map, target: "_blank", rel: "noreferrer noopener" },
    el("span", { class: "map", "aria-hidden": "true" }, el("span", { class: "pin" }, icon("pin"))),
    el("strong", {}, name ?? "Lokasi"),
    address ? el("span", {}, address) : null,
    el("span", { class: "soft" }, `${Number(latitude).toFixed(5)}, ${Number(longitude).toFixed(5)}`),
  );
}

function choices(message, mine, actions) {
  if (mine) return [];
  const { content, type, wamid } = message;
  const button = (label, act) => el("button", { type: "button", class: "choice", onclick: act }, label);
  if (type === "template") {
    return (content.components ?? [])
      .filter((component) => component.type === "button" && component.sub_type === "quick_reply")
      .map((component) => {
        const payload = component.parameters?.[0]?.payload ?? "";
        return button(payload, () => actions.say({ button: { text: payload, payload } }, wamid));
      });
  }
  if (type !== "interactive") return [];
  const { action } = content;
  switch (content.type) {
    case "button":
      return action.buttons.map(({ reply }) =>
        button(reply.title, () => actions.say({ button_reply: { id: reply.id, title: reply.title } }, wamid)),
      );
    case "list":
      return [button(`☰ ${action.button}`, () => actions.openList(content, wamid))];
    case "cta_url":
      return [
        el("a", { class: "choice", href: action.parameters.url, target: "_blank", rel: "noreferrer noopener" }, action.parameters.display_text),
      ];
    case "location_request_message":
      return [button("Kirim lokasi", () => actions.openLocation(wamid))];
    default:
      return [];
  }
}
