// One phone: a chat between a citizen and the office, with what can be sent.

import * as api from "./api.js";
import { bubble } from "./bubble.js";
import { el } from "./dom.js";
import { icon } from "./icons.js";

const COLOURS = 6;

export class Phone {
  // `page`: {number(), openList(…), openLocation(…), fail(message)}
  constructor(citizen, index, page) {
    this.citizen = citizen;
    this.page = page;
    this.shown = "";
    this.refreshing = null;
    this.build(index % COLOURS);
  }

  build(colour) {
    const { citizen } = this;
    const heading = `phone-${citizen.id}`;
    this.presence = el("p", { class: "presence" });
    this.messages = el("ol", { class: "messages", "aria-live": "polite", "aria-label": `Obrolan ${citizen.name}`, tabindex: "0" });
    // Whoever looks at the newest message goes on doing so when the chat grows or the phone changes its size.
    this.atEnd = true;
    this.messages.addEventListener("scroll", () => {
      const { scrollHeight, scrollTop, clientHeight } = this.messages;
      this.atEnd = scrollHeight - scrollTop - clientHeight < 80;
    });
    new ResizeObserver(() => {
      if (this.atEnd) this.messages.scrollTop = this.messages.scrollHeight;
    }).observe(this.messages);
    this.typing = el("p", { class: "typing", role: "status" });
    this.error = el("p", { class: "form-error", role: "alert" });
    this.input = el("textarea", { rows: "1", placeholder: "Tulis pesan", "aria-label": `Pesan dari ${citizen.name}`, maxlength: "65536" });
    this.input.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.sendText();
    });
    this.input.addEventListener("input", () => this.grow());
    this.file = el("input", { type: "file", hidden: true, accept: "image/jpeg,image/png", "aria-label": "Pilih foto" });
    this.file.addEventListener("change", () => this.sendPhoto());
    this.online = this.tool("Ponsel aktif", "signal", () => this.attempt(() => api.setOnline(citizen.id, !this.citizen.online)));
    this.root = el(
      "article",
      { class: "phone", "data-citizen": citizen.id, "aria-labelledby": heading },
      el(
        "header",
        {},
        el("span", { class: `avatar colour-${colour}`, "aria-hidden": "true" }, initials(citizen.name)),
        el("div", { class: "who" }, el("h2", { id: heading }, citizen.name), el("p", { class: "soft" }, nameOf(citizen)), this.presence),
        this.online,
      ),
      this.messages,
      this.typing,
      this.error,
      el(
        "form",
        { class: "composer", onsubmit: (event) => { event.preventDefault(); this.sendText(); } },
        el(
          "div",
          { class: "tools" },
          this.tool("Kirim foto", "camera", () => this.file.click()),
          this.tool("Kirim lokasi", "pin", () => this.page.openLocation(this)),
          this.tool("Kirim pesan suara contoh", "microphone", () => this.say({ audio: {} })),
          this.tool("Kirim foto contoh", "picture", () => this.say({ image: { caption: this.takeText() } })),
        ),
        el("div", { class: "line" }, this.input, el("button", { type: "submit", class: "send", "aria-label": "Kirim", title: "Kirim" }, icon("send"))),
        this.file,
      ),
    );
  }

  tool(label, sign, act) {
    return el("button", { type: "button", class: "tool", "aria-label": label, title: label, onclick: act }, icon(sign));
  }

  grow() {
    this.input.rows = Math.min(5, Math.max(1, this.input.value.split("\n").length));
  }

  takeText() {
    const text = this.input.value.trim();
    this.input.value = "";
    this.grow();
    return text || null;
  }

  async attempt(action) {
    this.error.textContent = "";
    try {
      return await action();
    } catch (error) {
      this.error.textContent = `Tidak terkirim: ${error.message}`;
      return null;
    }
  }

  say(message, replyTo) {
    return this.attempt(() => api.say(this.citizen.id, this.page.number(), message, replyTo));
  }

  async sendText() {
    const body = this.input.value;
    if (!body.trim()) return;
    this.takeText();
    // What could not be sent comes back, unless something new was typed meanwhile.
    if ((await this.say({ text: { body } })) === null && !this.input.value) this.input.value = body;
  }

  async sendPhoto() {
    const [file] = this.file.files;
    this.file.value = "";
    if (!file) return;
    const medium = await this.attempt(() => api.addMedium(file));
    if (medium) await this.say({ image: { id: medium.id, caption: this.takeText() } });
  }

  // Many changes in a row cost at most one refresh at a time and one after it.
  refresh() {
    if (this.refreshing) {
      this.again = true;
      return this.refreshing;
    }
    this.refreshing = this.load().finally(() => {
      this.refreshing = null;
      if (this.again) {
        this.again = false;
        this.refresh();
      }
    });
    return this.refreshing;
  }

  async load() {
    let chat;
    try {
      chat = await api.chat(this.citizen.id, this.page.number());
    } catch (error) {
      this.page.fail(error.message);
      return;
    }
    this.citizen = chat.citizen;
    this.showPresence(chat);
    this.showMessages(chat.messages);
    this.showTyping(chat);
    this.readIfSeen(chat.messages);
  }

  showPresence(chat) {
    const { online } = this.citizen;
    this.root.classList.toggle("offline", !online);
    this.online.setAttribute("aria-pressed", String(online));
    this.online.title = online ? "Ponsel aktif: matikan" : "Ponsel mati: nyalakan";
    const window = chat.window.open ? `Jendela 24 jam: sisa ${hours(chat.window.seconds_left)}` : "Jendela 24 jam tertutup";
    this.presence.textContent = online ? window : "Ponsel mati";
    this.presence.classList.toggle("closed", !chat.window.open);
  }

  showMessages(messages) {
    const now = JSON.stringify(messages);
    if (now === this.shown) return;
    this.shown = now;
    const list = this.messages;
    const { atEnd } = this;
    const focused = list.contains(document.activeElement) && document.activeElement.textContent;
    const actions = {
      say: (message, replyTo) => this.say(message, replyTo),
      openList: (content, replyTo) => this.page.openList(this, content, replyTo),
      openLocation: (replyTo) => this.page.openLocation(this, replyTo),
    };
    const empty = el("li", { class: "empty" }, "Belum ada pesan. Coba: “Saya mau lapor jalan rusak di Jl. Melati No. 15, banyak lubang”");
    this.messages.replaceChildren(...(messages.length ? messages.map((message) => bubble(message, messages, actions)) : [empty]));
    if (focused) [...list.querySelectorAll("button, a")].find((item) => item.textContent === focused)?.focus();
    if (atEnd) {
      const toEnd = () => { list.scrollTop = list.scrollHeight; };
      toEnd();
      for (const image of list.querySelectorAll("img")) image.addEventListener("load", toEnd, { once: true });
    }
  }

  showTyping(chat) {
    clearTimeout(this.typingTimer);
    this.typing.replaceChildren();
    if (!chat.typing) return;
    const dots = el("span", { class: "dots", "aria-hidden": "true" }, el("i"), el("i"), el("i"));
    this.typing.append("mengetik… ", dots);
    this.typingTimer = setTimeout(() => this.typing.replaceChildren(), chat.typing_ms_left);
  }

  // A phone that lies face up reads: page visible, phone on.
  readIfSeen(messages) {
    const unread = messages.some((message) => message.from === "office" && message.progress === "delivered");
    if (!unread || document.visibilityState !== "visible" || !this.citizen.online) return;
    this.attempt(() => api.markRead(this.citizen.id, this.page.number()));
  }
}

const nameOf = (citizen) =>
  [citizen.username && `@${citizen.username}`, citizen.phone && `+${citizen.phone}`, !citizen.phone && !citizen.username && citizen.bsuid]
    .filter(Boolean).join(" · ");

const initials = (name) =>
  name.split(/\s+/u).slice(0, 2).map((word) => [...word][0] ?? "").join("").toUpperCase();

const hours = (seconds) =>
  seconds >= 3600 ? `${Math.floor(seconds / 3600)} jam` : `${Math.max(1, Math.floor(seconds / 60))} menit`;
