// Small things that all of the page needs.

export const by = (id) => document.getElementById(id);

/** An element; strings among the children become text, never markup. */
export function node(name, attributes, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

export const path = (name) => `/api/devices/${encodeURIComponent(name)}`;

/** Asks the server; fails with what it says is wrong. */
export async function api(method, url, body) {
  const options = { method };
  if (body !== undefined) {
    options.headers = { "Content-Type": "application/json" };
    options.body = JSON.stringify(body);
  }
  const response = await fetch(url, options).catch(() => {
    throw new Error("The server cannot be reached. Is it still running?");
  });
  const text = await response.text();
  let answer = null;
  try { answer = text && JSON.parse(text); } catch { answer = { error: text.trim() }; }
  if (!response.ok) throw new Error(answer?.error ?? `The server answered ${response.status}.`);
  return answer;
}

/** How long ago, in a few letters. */
export function ago(at, now) {
  if (at === null || at === undefined) return "never";
  const seconds = Math.max(0, Math.round((now - at) / 1000));
  if (seconds < 3) return "now";
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86_400)} d ago`;
}
