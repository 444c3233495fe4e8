// Calls of the control API. Every failure becomes an Error whose message can be shown.

async function call(method, path, body, type = "application/json") {
  const response = await fetch(path, {
    method,
    headers: body === undefined ? {} : { "content-type": type },
    body,
  });
  const text = await response.text();
  const answer = text ? JSON.parse(text) : null;
  if (!response.ok) throw new Error(answer?.detail ?? `HTTP ${response.status}`);
  return answer;
}

const post = (path, body) => call("POST", path, JSON.stringify(body));
const of = (id) => `/control/citizens/${encodeURIComponent(id)}`;

export const settings = () => call("GET", "/control/settings");
export const citizens = async () => (await call("GET", "/control/citizens")).citizens;
export const introduce = (citizen) => post("/control/citizens", citizen);
export const chat = (id, number) => call("GET", `${of(id)}/chat?phone_number_id=${encodeURIComponent(number)}`);
export const say = (id, number, message, replyTo) =>
  post(`${of(id)}/messages`, { message, phone_number_id: number, reply_to: replyTo });
export const markRead = (id, number) => post(`${of(id)}/read`, { phone_number_id: number });
export const setOnline = (id, online) => post(`${of(id)}/presence`, { online });

export async function addMedium(file) {
  const query = new URLSearchParams({ mime_type: file.type || "application/octet-stream", filename: file.name });
  return call("POST", `/control/media?${query}`, file, "application/octet-stream");
}
