// The page: a list of devices, one device in detail, and what happens, live.
// Names and values come from strangers: they go into the page as text, never as markup.

import { Activity } from "/activity.js";
import { Chart, format } from "/chart.js";
import { Calls } from "/calls.js";
import { Overview } from "/overview.js";
import { api, ago, by, node, path } from "/tools.js";

const LISTED = 300; // devices drawn at once; the filter finds the others
const UNITS = {
  temperature: "°C", chip_temperature: "°C", humidity: "%", pressure: "hPa", battery: "%",
  rssi: "dBm", voltage: "V", heap_free: "B", heap_least: "B", heap_largest: "B",
};

const devices = new Map();
let loaded = false; // whether the server said which devices there are
const charts = new Map();
const others = new Map();
const attributes = { client: new Map(), shared: new Map() };
let selected = null;
let source = null;
let windowMs = 300_000;
let about = { mqtt: "", profile: false };
let skew = 0; // the server's clock minus this one's

const activity = new Activity(by("activity"), by("activity-empty"));
const calls = new Calls(() => selected);
const overview = new Overview(() => selected, () => by("filter").value);

// ---- the list ----

function drawList() {
  const wanted = by("filter").value.toLowerCase();
  const all = [...devices.values()];
  const found = all.filter((device) => device.name.toLowerCase().includes(wanted));
  const online = all.filter((device) => device.online).length;
  by("devices-count").textContent = all.length ? `${online} of ${all.length} online` : "";
  by("filter").hidden = all.length < 10;
  const list = by("devices");
  const old = new Map([...list.children].map((item) => [item.dataset.device, item]));
  const items = found.slice(0, LISTED).map((device) => listItem(device, old.get(device.name)));
  if (items.length !== list.children.length || items.some((item, i) => list.children[i] !== item)) {
    list.replaceChildren(...items);
  }
  by("devices-more").hidden = found.length <= LISTED;
  by("devices-more").textContent = `and ${found.length - LISTED} more: filter by name to find them`;
  drawEmpty();
}

function listItem(device, item) {
  if (!item) {
    const link = node("a", { href: `#/device/${encodeURIComponent(device.name)}` },
      node("span", { class: "dot" }), node("span", { class: "name" }, device.name), node("span", { class: "seen" }));
    item = node("li", { "data-device": device.name }, link);
  }
  const [dot, , seen] = item.firstChild.children;
  dot.dataset.online = device.online;
  dot.title = device.online ? "online" : "offline";
  seen.textContent = ago(device.last_seen_ms, now());
  item.firstChild.setAttribute("aria-current", device.name === selected);
  return item;
}

function drawEmpty() {
  const device = devices.get(selected);
  by("empty").hidden = !loaded || devices.size > 0 || selected !== null;
  by("overview").hidden = devices.size === 0 || selected !== null;
  by("none").hidden = !loaded || selected === null || Boolean(device);
  by("device").hidden = !device;
  by("none-text").textContent = `“${selected}” has not connected yet, or was deleted.`;
  by("layout").dataset.view = selected === null ? "list" : "device";
  document.title = `${selected ?? "Devices"} · devserver`;
  if (device) drawHead(device);
}

function drawHead(device) {
  by("device-name").textContent = device.name;
  const state = by("device-state");
  state.textContent = device.online ? "online" : "offline";
  state.dataset.state = device.online ? "online" : "offline";
  const facts = [
    device.protocol,
    device.credentials === "x509" ? "X.509 certificate" : "access token",
    device.last_seen_ms === null ? "never heard" : `heard ${ago(device.last_seen_ms, now())}`,
    `created ${new Date(device.created_ms).toLocaleString()}`,
  ];
  by("device-facts").textContent = facts.filter(Boolean).join(" · ");
}

// ---- telemetry ----

const now = () => Date.now() + skew;

function take(key, points) {
  if (points.every((point) => typeof point.value === "number")) {
    let chart = charts.get(key);
    if (!chart) {
      chart = new Chart(key, UNITS[key.toLowerCase()] ?? "");
      charts.set(key, chart);
      others.delete(key);
      arrange();
    }
    chart.add(points);
  } else if (!charts.has(key)) {
    others.set(key, points.at(-1));
  }
}

/** Temperature and humidity first, then by name; colours by place. */
function arrange() {
  const rank = (key) => ["temperature", "humidity"].indexOf(key.toLowerCase()) >>> 0;
  const order = [...charts.values()].sort((a, b) => rank(a.key) - rank(b.key) || (a.key < b.key ? -1 : 1));
  order.forEach((chart, place) => { chart.element.className = `chart s${place % 6}`; });
  by("charts").replaceChildren(...order.map((chart) => chart.element));
}

function drawTelemetry() {
  const to = now();
  for (const chart of charts.values()) chart.draw(to - windowMs, to, to - 3_700_000);
  const rows = [...others].map(([key, { value }]) =>
    node("div", {}, node("dt", {}, key), node("dd", { "data-key": key }, text(value))));
  by("values").replaceChildren(...rows);
  by("values").hidden = rows.length === 0;
  by("telemetry-empty").hidden = charts.size + others.size > 0;
}

function text(value) {
  if (typeof value === "number") return Number.isInteger(value) ? String(value) : format(value);
  return typeof value === "string" ? value : JSON.stringify(value);
}

async function loadSeries(name, key) {
  const from = Math.floor(now() - Math.max(windowMs, 300_000));
  const query = new URLSearchParams({ key, from_ms: from, limit: 20_000 });
  const points = await api("GET", `${path(name)}/series?${query}`);
  if (name === selected && points.length) take(key, points);
}

// ---- attributes ----

function drawAttributes() {
  for (const scope of ["client", "shared"]) {
    const rows = [...attributes[scope]].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, value]) => {
      const cells = [node("th", { scope: "row", title: key }, key), node("td", { "data-key": key }, text(value))];
      if (scope === "shared") {
        const edit = node("button", { type: "button", class: "quiet", "aria-label": `Edit ${key}` }, "Edit");
        edit.addEventListener("click", () => {
          by("share-key").value = key;
          by("share-value").value = JSON.stringify(value);
          by("share-value").select();
        });
        const remove = node("button", { type: "button", class: "quiet danger", "aria-label": `Delete ${key}` }, "Delete");
        remove.addEventListener("click", () => share({ [key]: null }));
        cells.push(node("td", { class: "actions" }, edit, " ", remove));
      }
      return node("tr", {}, ...cells);
    });
    by(scope).tBodies[0].replaceChildren(...rows);
    by(`${scope}-empty`).hidden = rows.length > 0;
  }
}

async function share(values) {
  by("share-error").hidden = true;
  try {
    await api("PUT", `${path(selected)}/shared`, values);
    return true;
  } catch (error) {
    by("share-error").textContent = error.message;
    by("share-error").hidden = false;
    return false;
  }
}

by("share").addEventListener("submit", async (event) => {
  event.preventDefault();
  const raw = by("share-value").value.trim();
  let value = raw;
  try { value = JSON.parse(raw); } catch { /* then it is text */ }
  if (await share({ [by("share-key").value.trim()]: value })) event.target.reset();
});

// ---- which device ----

async function load() {
  const name = selected;
  const list = await api("GET", "/api/devices");
  loaded = true;
  devices.clear();
  for (const device of list) devices.set(device.name, device);
  if (name !== null && devices.has(name)) {
    const details = await api("GET", path(name));
    if (name !== selected) return;
    for (const scope of ["client", "shared"]) attributes[scope] = new Map(Object.entries(details[scope]));
    const latest = Object.entries(details.latest);
    for (const [key, point] of latest) take(key, [point]);
    drawAttributes();
    await Promise.all(latest.filter(([key]) => charts.has(key)).map(([key]) => loadSeries(name, key)));
  }
  if (name === selected) {
    drawList();
    drawTelemetry();
  }
}

/** Once for however many devices are created within half a second. */
let soon = null;
function loadSoon() {
  soon ??= setTimeout(() => {
    soon = null;
    load().then(selectFirst, (error) => activity.add("bad", error.message));
  }, 500);
}

function select() {
  const match = /^#\/device\/(.+)$/.exec(location.hash);
  let name = null;
  try { name = match && decodeURIComponent(match[1]); } catch { /* not a name */ }
  selected = name;
  charts.clear();
  others.clear();
  attributes.client.clear();
  attributes.shared.clear();
  by("charts").replaceChildren();
  calls.clear();
  drawAttributes();
  listen();
  drawList();
  overview.look();
  if (name !== null) window.scrollTo(0, 0);
}

/** The only device there is, is shown at once where there is room. */
function selectFirst() {
  if (selected !== null || devices.size !== 1 || !matchMedia("(min-width: 56.01rem)").matches) return;
  const [first] = devices.values();
  location.replace(`#/device/${encodeURIComponent(first.name)}`);
}

// ---- live ----

function listen() {
  source?.close();
  const query = selected === null ? "" : `?${new URLSearchParams({ device: selected })}`;
  source = new EventSource(`/api/events${query}`);
  const mine = source;
  source.addEventListener("open", () => {
    live("live");
    // Only now, so that nothing falls between what is read and what is heard.
    load().then(selectFirst, (error) => activity.add("bad", error.message));
  });
  source.addEventListener("error", () => mine === source && live("lost"));
  source.addEventListener("message", (message) => mine === source && heard(JSON.parse(message.data)));
}

function live(state) {
  by("live").dataset.state = state;
  by("live").textContent = state === "live" ? "live" : "server not reached";
}

function heard(event) {
  const device = devices.get(event.device);
  switch (event.type) {
    case "summary":
      skew = event.now_ms - Date.now();
      for (const [name, at] of Object.entries(event.heard)) {
        const heard = devices.get(name);
        if (heard) heard.last_seen_ms = at;
      }
      by("rate").textContent = event.messages === 1 ? "1 message/s" : `${event.messages} messages/s`;
      drawList();
      drawTelemetry();
      return;
    case "past":
      activity.past(event.events);
      return;
    case "telemetry":
      for (const record of event.records) {
        for (const [key, value] of Object.entries(record.values)) take(key, [{ ts_ms: record.ts_ms, value }]);
      }
      if (device) device.last_seen_ms = now();
      drawTelemetry();
      return;
    case "client_attributes":
    case "shared_attributes": {
      const scope = attributes[event.type === "client_attributes" ? "client" : "shared"];
      for (const [key, value] of Object.entries(event.values)) scope.set(key, value);
      for (const key of event.deleted ?? []) scope.delete(key);
      drawAttributes();
      return;
    }
    case "connected":
      if (device) Object.assign(device, { online: true, protocol: event.protocol, last_seen_ms: now() });
      break;
    case "disconnected":
      if (device && !event.replaced) Object.assign(device, { online: false, protocol: null });
      break;
    case "deleted":
      devices.delete(event.device);
      break;
    case "created":
      loadSoon();
      break;
  }
  activity.event(event);
  drawList();
  overview.lookSoon();
}

// ---- the rest ----

by("filter").addEventListener("input", () => {
  drawList();
  overview.lookSoon();
});
by("windows").addEventListener("click", (event) => {
  const chosen = event.target.closest("button");
  if (!chosen) return;
  windowMs = Number(chosen.dataset.window);
  for (const button of by("windows").children) button.setAttribute("aria-pressed", button === chosen);
  const name = selected;
  Promise.all([...charts.keys()].map((key) => loadSeries(name, key))).then(drawTelemetry, () => {});
  drawTelemetry();
});

for (const id of ["add-device", "add-first"]) {
  by(id).addEventListener("click", () => {
    by("add-form").reset();
    by("add-form").hidden = false;
    by("add-done").hidden = by("add-error").hidden = true;
    by("add").showModal();
  });
}
by("add-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    const made = await api("POST", "/api/devices", { name: by("add-name").value });
    by("add-token").textContent = made.token;
    by("add-form").hidden = true;
    by("add-done").hidden = false;
  } catch (error) {
    by("add-error").textContent = error.message;
    by("add-error").hidden = false;
  }
});
by("delete-device").addEventListener("click", () => {
  by("delete-name").textContent = selected;
  by("delete").showModal();
});
by("delete-confirm").addEventListener("click", async () => {
  try { await api("DELETE", path(selected)); } catch (error) { activity.add("bad", error.message); }
  by("delete").close();
  location.hash = "#/";
});
for (const button of document.querySelectorAll("[data-close]")) {
  button.addEventListener("click", () => button.closest("dialog").close());
}

addEventListener("hashchange", select);
api("GET", "/api/about").then((answer) => {
  about = answer;
  by("mqtt-address").textContent = about.mqtt;
  for (const element of document.querySelectorAll(".mqtt-address")) element.textContent = about.mqtt;
  for (const element of document.querySelectorAll("[data-if=profile]")) element.hidden = !about.profile;
}, () => live("lost"));
select();
