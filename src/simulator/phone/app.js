// The page: several phones side by side, kept fresh by server-sent events.

import * as api from "./api.js";
import { el } from "./dom.js";
import { Phone } from "./phone.js";

const MOST_PHONES = 24;
const PLACES = [
  ["Jl. Melati No. 15, Sukamaju", -6.91474, 107.60981],
  ["Kantor Desa Sukamaju", -6.91862, 107.60722],
  ["Pasar Lama", -6.92134, 107.60412],
  ["SDN 2 Sukamaju", -6.91233, 107.61314],
  ["Monas, Jakarta", -6.17539, 106.82715],
];

const find = (id) => document.getElementById(id);
const phones = new Map();
let office = "";

const page = {
  number: () => office,
  fail: (message) => showLink(false, `Gangguan: ${message}`),
  openList,
  openLocation,
};

function showLink(good, text) {
  find("link").textContent = text;
  find("link").classList.toggle("bad", !good);
}

async function start() {
  const { phone_numbers: numbers } = await api.settings();
  office = numbers[0].id;
  find("number").append(...numbers.map((number) => el("option", { value: number.id }, `+${number.display_phone_number}`)));
  find("number-choice").hidden = numbers.length < 2;
  find("number").addEventListener("change", (event) => {
    office = event.target.value;
    refreshAll();
  });
  const events = new EventSource("/phone/events");
  events.addEventListener("open", () => showLink(true, "Tersambung"));
  events.addEventListener("error", () => showLink(false, "Terputus, mencoba lagi…"));
  events.addEventListener("message", ({ data }) => {
    if (data === "*") refreshAll();
    else phones.get(data)?.refresh();
  });
  document.addEventListener("visibilitychange", refreshAll);
}

async function refreshAll() {
  try {
    const citizens = (await api.citizens()).slice(0, MOST_PHONES);
    const present = new Set(citizens.map((citizen) => citizen.id));
    for (const [id, phone] of phones) {
      if (present.has(id)) continue;
      phone.root.remove();
      phones.delete(id);
    }
    for (const citizen of citizens) {
      if (phones.has(citizen.id)) continue;
      const phone = new Phone(citizen, phones.size, page);
      phones.set(citizen.id, phone);
      find("phones").append(phone.root);
    }
    await Promise.all([...phones.values()].map((phone) => phone.refresh()));
  } catch (error) {
    page.fail(error.message);
  }
}

for (const dialog of document.querySelectorAll("dialog")) {
  dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close());
}

find("add").addEventListener("click", () => {
  find("add-form").reset();
  find("add-form").querySelector(".form-error").textContent = "";
  find("add-dialog").showModal();
});

find("add-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  const given = Object.fromEntries([...new FormData(form)].map(([key, value]) => [key, value.trim() || null]));
  try {
    const citizen = await api.introduce(given);
    find("add-dialog").close();
    await refreshAll();
    phones.get(citizen.id)?.root.scrollIntoView({ behavior: "smooth", inline: "center" });
    phones.get(citizen.id)?.input.focus();
  } catch (error) {
    form.querySelector(".form-error").textContent = error.message;
  }
});

// Location: sample places fill the fields, which can then be changed.
const places = find("location-form").elements;
places.place.append(...PLACES.map(([name], index) => el("option", { value: index }, name)));
places.place.addEventListener("change", fillPlace);
function fillPlace() {
  const [name, latitude, longitude] = PLACES[places.place.value];
  places.name.value = name;
  places.latitude.value = latitude;
  places.longitude.value = longitude;
}

let asked = null;
function openLocation(phone, replyTo) {
  asked = { phone, replyTo };
  fillPlace();
  find("location-dialog").showModal();
}

find("location-form").addEventListener("submit", () => {
  const [latitude, longitude] = [Number(places.latitude.value), Number(places.longitude.value)];
  asked.phone.say({ location: { latitude, longitude, name: places.name.value || null } }, asked.replyTo);
});

function openList(phone, content, replyTo) {
  find("list-title").textContent = content.action.button;
  const choose = ({ id, title, description }) => {
    find("list-dialog").close();
    phone.say({ list_reply: { id, title, description } }, replyTo);
  };
  find("list-rows").replaceChildren(
    ...content.action.sections.map((section) =>
      el(
        "section",
        {},
        section.title ? el("h3", {}, section.title) : null,
        ...section.rows.map((row) =>
          el(
            "button",
            { type: "button", class: "list-row", onclick: () => choose(row) },
            el("strong", {}, row.title),
            row.description ? el("span", { class: "soft" }, row.description) : null,
          ),
        ),
      ),
    ),
  );
  find("list-dialog").showModal();
}

start().catch((error) => page.fail(error.message));
