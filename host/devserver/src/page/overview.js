// Several devices at a glance, and of the one that is shown the same in words.

import { ago, api, by, node } from "/tools.js";

const EVERY_MS = 2_000;
const DAY_MS = 86_400_000;
const SOON_DAYS = 30;

/** In words, with how it is: "good", "warn", "bad" or "". */
function update({ update, firmware, firmware_target: target, update_error: error }) {
  switch (update) {
    case undefined: case null: return ["", ""];
    case "UPDATED": return ["up to date", "good"];
    case "FAILED": return [`failed: ${error ?? "it did not say why"}`, "bad"];
    default: return [target && target !== firmware ? `${update.toLowerCase()}, to ${target}` : update.toLowerCase(), "warn"];
  }
}

function certificate({ certificate_expires_ms: end, credentials, renewal, renewal_error: error }, now) {
  if (end === null) return [credentials === "x509" ? "" : "none: a token", ""];
  const days = Math.floor((end - now) / DAY_MS);
  const date = new Date(end).toLocaleDateString(undefined, { dateStyle: "medium" });
  if (renewal === "FAILED") return [`${date}; no new one: ${error ?? "it did not say why"}`, "bad"];
  if (days < 0) return [`ended ${date}`, "bad"];
  if (renewal === "REQUESTED" || renewal === "TRYING") return [`${date}; a new one is ${renewal === "TRYING" ? "tried" : "requested"}`, "warn"];
  return [days < SOON_DAYS ? `${date}, in ${days} days` : date, days < SOON_DAYS ? "warn" : ""];
}

function claim({ claimable_until_ms: end, owned }) {
  if (owned) return ["a customer's", ""];
  return end === null ? ["", ""] : [`until ${new Date(end).toLocaleTimeString([], { timeStyle: "short" })}`, "good"];
}

function trouble(device) {
  const all = [
    device.crash && `crashed: ${device.crash}`,
    device.dropped > 0 && `${device.dropped} samples dropped`,
    device.refused && `cannot do ${device.refused}`,
  ].filter(Boolean);
  return [all.join("; "), all.length ? "bad" : ""];
}

const COLUMNS = [
  ["Firmware", (device) => [device.firmware ?? "", ""]],
  ["Update", update],
  ["Trouble", trouble],
  ["Certificate ends", certificate],
  ["Limit kept", (device) => [device.limit ?? "", device.limit ? "warn" : ""]],
  ["Claim", claim],
];

export class Overview {
  #shown;
  #filter;
  #timer = null;

  /** `shown` tells the name of the device that is shown, `filter` what is searched for. */
  constructor(shown, filter) {
    this.#shown = shown;
    this.#filter = filter;
    setInterval(() => document.visibilityState === "visible" && this.look(), EVERY_MS);
  }

  /** Looks a moment later, once for all who ask meanwhile. */
  lookSoon() {
    this.#timer ??= setTimeout(() => { this.#timer = null; this.look(); }, 100);
  }

  async look() {
    const device = this.#shown();
    const query = new URLSearchParams(device === null ? { name: this.#filter() } : { device });
    const found = await api("GET", `/api/overview?${query}`).catch(() => null);
    if (!found || device !== this.#shown()) return;
    if (device === null) this.#drawAll(found);
    else this.#drawOne(found.devices[0]);
  }

  #drawAll({ found, devices }) {
    const now = Date.now();
    // A column that nobody fills takes room from the others.
    const columns = COLUMNS.filter(([, tell]) => devices.some((device) => tell(device, now)[0]));
    const names = ["Device", "Heard", ...columns.map(([name]) => name)];
    by("overview-table").tHead.rows[0].replaceChildren(...names.map((name) => node("th", { scope: "col" }, name)));
    const rows = devices.map((device) => {
      const dot = node("span", { class: "dot", "data-online": device.online, title: device.online ? "online" : "offline" });
      const link = node("a", { href: `#/device/${encodeURIComponent(device.name)}` }, dot, device.name);
      const cells = columns.map(([, tell]) => {
        const [text, kind] = tell(device, now);
        return node("td", { "data-kind": kind }, text);
      });
      return node("tr", { "data-device": device.name }, node("th", { scope: "row" }, link),
        node("td", {}, ago(device.last_seen_ms, now)), ...cells);
    });
    by("overview-table").tBodies[0].replaceChildren(...rows);
    by("overview-more").hidden = found <= devices.length;
    by("overview-more").textContent = `and ${found - devices.length} more: filter by name to find them`;
  }

  #drawOne(device) {
    const rows = device ? COLUMNS.map(([name, tell]) => [name, ...tell(device, Date.now())]) : [];
    by("health").replaceChildren(...rows.filter(([, text]) => text).map(([name, text, kind]) =>
      node("div", {}, node("dt", {}, name), node("dd", { "data-kind": kind }, text))));
    by("health").hidden = !by("health").children.length;
  }
}
