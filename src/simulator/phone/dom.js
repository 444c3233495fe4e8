// Small helpers to build elements. Text always goes in as text, never as markup.

export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

// *bold*, _italic_, ~struck~ and links, as a phone shows them.
export function richText(text) {
  const parts = text.split(/(\*[^*\n]+\*|(?<![\w])_[^_\n]+_(?![\w])|~[^~\n]+~|https?:\/\/[^\s<>]+)/u);
  return parts.map((part) => {
    if (/^https?:\/\//u.test(part)) return el("a", { href: part, target: "_blank", rel: "noreferrer noopener" }, part);
    const tag = { "*": "strong", _: "em", "~": "s" }[part[0]];
    const marked = part.length > 2 && part[0] === part.at(-1);
    return tag && marked ? el(tag, {}, part.slice(1, -1)) : part;
  });
}

export const clockTime = (at) =>
  new Date(at).toLocaleTimeString("id-ID", { hour: "2-digit", minute: "2-digit" });
