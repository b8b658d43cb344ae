// A live line chart of one series, drawn as SVG.

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 150;
const PAD = { left: 44, right: 8, top: 10, bottom: 20 };
/** Between a label of the scale and the line, and what it keeps from the edge. */
const GAP = 6;

function shape(name, attributes, parent) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  parent?.append(element);
  return element;
}

/** Round steps for about `count` lines over a span. */
function step(span, count) {
  const raw = span / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  return [1, 2, 2.5, 5, 10].map((n) => n * power).find((n) => n >= raw) ?? 10 * power;
}

/** A number with as many decimals as it needs, six digits at most. */
export function format(value) {
  if (!Number.isFinite(value)) return String(value);
  const magnitude = Math.abs(value);
  if (magnitude !== 0 && (magnitude >= 1e9 || magnitude < 1e-4)) return value.toExponential(2);
  const decimals = magnitude >= 1000 ? 0 : magnitude >= 100 ? 1 : magnitude >= 1 ? 2 : 4;
  return String(Number(value.toFixed(decimals)));
}

/** The lines of a scale: at least two, or nothing tells it. */
function scale(low, high) {
  let rise = step(high - low, 3);
  while (Math.floor(high / rise) - Math.ceil(low / rise) < 1) rise /= 2;
  const values = [];
  for (let v = Math.ceil(low / rise) * rise; v <= high; v += rise) values.push(v);
  const short = shortened(values);
  return values.map((value, i) => ({ value, text: short[i] }));
}

/** Numbers for labels, with k or M where all of them stay apart. */
function shortened(values) {
  const largest = Math.max(...values.map(Math.abs));
  for (const [size, mark, least] of [[1e6, "M", 1e6], [1e3, "k", 1e4]]) {
    if (largest < least || largest >= 1e9) continue;
    const texts = values.map((v) => (v === 0 ? "0" : format(Number((v / size).toPrecision(6))) + mark));
    if (new Set(texts).size === texts.length) return texts;
  }
  return values.map((v) => format(Number(v.toPrecision(6))));
}

/** A span of milliseconds, as people say it. */
function lasting(ms) {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 60) return `${format(ms / 1000)} s`;
  const [days, hours, minutes] = [Math.floor(seconds / 86400), Math.floor(seconds / 3600) % 24, Math.floor(seconds / 60) % 60];
  if (days) return `${days} d ${hours} h`;
  return hours ? `${hours} h ${minutes} min` : `${minutes} min ${seconds % 60} s`;
}

/** The latest value, as it is read: a time since boot as a duration. */
function reading(key, value) {
  return key.endsWith("uptime_ms") && value >= 0 ? lasting(value) : format(value);
}

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
const HOUR = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hour12: false });

export class Chart {
  #points = new Map(); // value by time, so that a sample sent twice is there once
  #sorted = null;
  #svg;
  #now;
  #pointer = null;
  #view = null;
  #queued = false;

  /** `unit` may be empty. Whoever places the element also sets its class, for the colour. */
  constructor(key, unit) {
    this.element = document.createElement("section");
    this.element.dataset.key = key;
    const header = document.createElement("header");
    const title = document.createElement("h3");
    title.textContent = key;
    this.#now = document.createElement("span");
    this.#now.className = "now";
    const value = document.createElement("span");
    value.className = "value";
    const mark = document.createElement("span");
    mark.className = "unit";
    mark.textContent = unit;
    this.#now.append(value, mark);
    header.append(title, this.#now);
    this.#svg = shape("svg", { role: "img" });
    this.element.append(header, this.#svg);
    this.key = key;
    this.unit = unit;
    this.#svg.addEventListener("pointermove", (event) => {
      this.#pointer = event.clientX - this.#svg.getBoundingClientRect().left;
      this.#redraw();
    });
    this.#svg.addEventListener("pointerleave", () => {
      this.#pointer = null;
      this.#redraw();
    });
    new ResizeObserver(() => this.#redraw()).observe(this.#svg);
  }

  add(points) {
    for (const { ts_ms, value } of points) this.#points.set(ts_ms, value);
    this.#sorted = null;
  }

  get points() {
    this.#sorted ??= [...this.#points].sort((a, b) => a[0] - b[0]);
    return this.#sorted;
  }

  /** Draws the time from `from` to `to`, and forgets what is older than `keep`. */
  draw(from, to, keep) {
    for (const ts of this.#points.keys()) {
      if (ts < keep && this.#points.size > 1 && this.#points.delete(ts)) this.#sorted = null;
    }
    this.#view = { from, to };
    this.#redraw();
  }

  #redraw() {
    if (this.#queued) return;
    this.#queued = true;
    requestAnimationFrame(() => {
      this.#queued = false;
      this.#paint();
    });
  }

  #paint() {
    const width = this.#svg.clientWidth;
    if (!width || !this.#view) return;
    const { from, to } = this.#view;
    const all = this.points;
    const newest = all.at(-1);
    this.#now.firstChild.textContent = newest ? reading(this.key, newest[1]) : "–";
    const shown = all.filter(([ts]) => ts >= from && ts <= to);
    this.element.dataset.points = shown.length;
    this.element.dataset.latest = newest ? newest[0] : "";

    let low = Math.min(...shown.map((p) => p[1]));
    let high = Math.max(...shown.map((p) => p[1]));
    if (!shown.length) [low, high] = [0, 1];
    // Counts have no fractions, and none of them is below zero.
    const whole = shown.every((p) => Number.isInteger(p[1]));
    const count = whole && low >= 0;
    const least = Math.max(Math.abs(high) * 0.01, whole ? 2 : 0.1);
    if (high - low < least) [low, high] = [(low + high - least) / 2, (low + high + least) / 2];
    const margin = (high - low) * 0.12;
    [low, high] = [low - margin, high + margin];
    if (count && low < 0) [low, high] = [0, high - low];

    const lines = scale(low, high);
    const left = Math.max(PAD.left, GAP + 2 + this.#widest(lines.map((line) => line.text)));
    const x = (ts) => left + ((ts - from) / (to - from)) * (width - left - PAD.right);
    const y = (v) => HEIGHT - PAD.bottom - ((v - low) / (high - low)) * (HEIGHT - PAD.top - PAD.bottom);

    this.#svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    this.#svg.setAttribute("aria-label", newest
      ? `${this.key}: ${format(newest[1])} ${this.unit}, ${shown.length} samples shown`
      : `${this.key}: no samples`);
    this.#svg.replaceChildren();
    this.#grid(width, left, lines, x, y);
    if (!shown.length) {
      const text = shape("text", { x: width / 2, y: HEIGHT / 2, "text-anchor": "middle" }, this.#svg);
      text.textContent = "nothing in this time";
      return;
    }
    this.#lines(shown, width, x, y);
    this.#cursor(shown, width, x, y);
  }

  /** How wide the widest of these labels is, in the page's own type. */
  #widest(labels) {
    const probe = shape("text", { visibility: "hidden" }, this.#svg);
    const widths = labels.map((label) => {
      probe.textContent = label;
      return probe.getComputedTextLength();
    });
    probe.remove();
    return Math.ceil(Math.max(0, ...widths));
  }

  #grid(width, left, lines, x, y) {
    const { from, to } = this.#view;
    for (const { value, text: label } of lines) {
      shape("line", { class: "grid", x1: left, x2: width - PAD.right, y1: y(value), y2: y(value) }, this.#svg);
      const text = shape("text", { x: left - GAP, y: y(value) + 4, "text-anchor": "end" }, this.#svg);
      text.textContent = label;
    }
    const span = to - from;
    const every = span <= 60_000 ? 15_000 : span <= 300_000 ? 60_000 : 900_000;
    for (let ts = Math.ceil(from / every) * every; ts <= to; ts += every) {
      const at = x(ts);
      if (at < left + 18 || at > width - 24) continue;
      const text = shape("text", { x: at, y: HEIGHT - 5, "text-anchor": "middle" }, this.#svg);
      text.textContent = (every < 60_000 ? CLOCK : HOUR).format(ts);
    }
  }

  /** The line, broken where samples are missing. */
  #lines(shown, width, x, y) {
    const gaps = shown.slice(1).map(([ts], i) => ts - shown[i][0]).sort((a, b) => a - b);
    const longest = Math.max(4 * (gaps[gaps.length >> 1] ?? 0), 5_000);
    const runs = [[shown[0]]];
    for (const [i, point] of shown.slice(1).entries()) {
      if (point[0] - shown[i][0] > longest) runs.push([]);
      runs.at(-1).push(point);
    }
    const bottom = HEIGHT - PAD.bottom;
    for (const run of runs) {
      const path = thin(run, x, width).map(([ts, v]) => `${x(ts).toFixed(1)} ${y(v).toFixed(1)}`).join("L");
      const [first, last] = [x(run[0][0]).toFixed(1), x(run.at(-1)[0]).toFixed(1)];
      shape("path", { class: "area", d: `M${first} ${bottom}L${path}L${last} ${bottom}Z` }, this.#svg);
      shape("path", { class: "line", d: `M${path}${run.length === 1 ? "h.01" : ""}` }, this.#svg);
    }
  }

  #cursor(shown, width, x, y) {
    if (this.#pointer === null) {
      const [ts, v] = shown.at(-1);
      shape("circle", { class: "spot", cx: x(ts), cy: y(v), r: 4 }, this.#svg);
      return;
    }
    const [ts, v] = shown.reduce((best, p) =>
      Math.abs(x(p[0]) - this.#pointer) < Math.abs(x(best[0]) - this.#pointer) ? p : best);
    const at = x(ts);
    shape("line", { class: "cursor", x1: at, x2: at, y1: PAD.top, y2: HEIGHT - PAD.bottom }, this.#svg);
    shape("circle", { class: "spot", cx: at, cy: y(v), r: 4 }, this.#svg);
    const right = at > width / 2;
    const place = { class: "tip", x: at + (right ? -8 : 8), y: PAD.top + 4, "text-anchor": right ? "end" : "start" };
    shape("text", place, this.#svg).textContent = `${format(v)} ${this.unit} · ${CLOCK.format(ts)}`;
  }
}

/** At most the first, last, lowest and highest sample of each pixel. */
function thin(run, x, width) {
  if (run.length <= 2 * width) return run;
  const columns = new Map();
  for (const point of run) {
    const column = Math.round(x(point[0]));
    const kept = columns.get(column);
    if (!kept) columns.set(column, { first: point, low: point, high: point, last: point });
    else {
      if (point[1] < kept.low[1]) kept.low = point;
      if (point[1] > kept.high[1]) kept.high = point;
      kept.last = point;
    }
  }
  return [...columns.values()].flatMap((c) => [...new Set([c.first, c.low, c.high, c.last])].sort((a, b) => a[0] - b[0]));
}
