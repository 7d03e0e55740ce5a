// A fail rate over time: its line, its intervals, what was usual, and what changed when.

const SPACE = "http://www.w3.org/2000/svg";
const HEIGHT = 220, LEFT = 46, RIGHT = 12, TOP = 20, BOTTOM = 26;
const HOUR = 3_600_000;
const STEPS = [1, 2, 3, 6, 12, 24, 48, 96, 168].map((hours) => hours * HOUR);
const trends = new WeakMap();

export default function draw({ data, parentElement }) {
  let trend = trends.get(parentElement);
  if (!trend) {
    trend = new Trend(parentElement);
    trends.set(parentElement, trend);
  }
  trend.update(data);
}

function shape(name, attributes, text) {
  const made = document.createElementNS(SPACE, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

/** Moments on full steps of the reader's own clock, few enough to read. */
function ticks(since, until, most) {
  const step = STEPS.find((one) => (until - since) / one <= most) ?? STEPS.at(-1);
  const shift = new Date(since).getTimezoneOffset() * 60_000;
  const found = [];
  for (let at = Math.ceil((since - shift) / step) * step + shift; at <= until; at += step) found.push(at);
  return [found, step];
}

function clock(at, step) {
  const day = { day: "numeric", month: "short" };
  const time = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  const moment = new Date(at);
  if (step >= 24 * HOUR || moment.getHours() === 0) return moment.toLocaleDateString("en-GB", day);
  return moment.toLocaleTimeString("en-GB", time);
}

class Trend {
  constructor(parent) {
    this.box = shape("svg", { role: "img", height: HEIGHT, width: "100%", class: "trend" });
    parent.append(this.box);
    new ResizeObserver(() => this.drawAll()).observe(this.box);
  }

  update(data) {
    const seen = JSON.stringify(data);
    if (seen === this.seen) return;
    this.seen = seen;
    this.data = data;
    this.drawAll();
  }

  drawAll() {
    const width = this.box.clientWidth;
    if (!width || !this.data) return;
    const { since, until, top } = this.data;
    this.x = (at) => LEFT + ((at - since) / (until - since)) * (width - LEFT - RIGHT);
    this.y = (share) => HEIGHT - BOTTOM - (share / top) * (HEIGHT - TOP - BOTTOM);
    this.box.setAttribute("aria-label", this.data.label);
    this.box.replaceChildren(...this.axes(width), ...this.band(width), ...this.marks(width), ...this.line());
  }

  axes(width) {
    const { since, until, top } = this.data;
    const made = [];
    for (const part of [0, 0.25, 0.5, 0.75, 1]) {
      const y = this.y(top * part);
      const said = `${Math.round(top * part * 1000) / 10} %`;
      made.push(shape("line", { class: "rule", x1: LEFT, x2: width - RIGHT, y1: y, y2: y }));
      made.push(shape("text", { class: "tick", x: LEFT - 6, y: y + 4, "text-anchor": "end" }, said));
    }
    const [moments, step] = ticks(since, until, Math.max(2, (width - LEFT) / 90));
    for (const at of moments) {
      const place = { class: "tick", x: this.x(at), y: HEIGHT - 6, "text-anchor": "middle" };
      made.push(shape("text", place, clock(at, step)));
    }
    return made;
  }

  band(width) {
    const usual = this.data.usual;
    if (!usual) return [];
    const [high, low] = [this.y(Math.min(usual[1], this.data.top)), this.y(usual[0])];
    const sizes = { x: LEFT, width: width - LEFT - RIGHT, y: high, height: Math.max(2, low - high) };
    return [shape("rect", { class: "usual", ...sizes })];
  }

  marks(width) {
    let free = [0, 0];
    return this.data.marks.flatMap(([at, said]) => {
      const x = this.x(at);
      const line = shape("line", { class: "mark", x1: x, x2: x, y1: TOP - 6, y2: HEIGHT - BOTTOM });
      line.append(shape("title", {}, said));
      const length = said.length * 6.4;
      const isLast = x + length > width;
      const row = free.findIndex((end) => (isLast ? x - length : x) > end);
      if (row < 0) return [line];
      free = free.map((end, n) => (n === row ? x + (isLast ? 8 : length) : end));
      const place = { x: x + (isLast ? -5 : 5), y: 12 + 13 * row, "text-anchor": isLast ? "end" : "start" };
      return [line, shape("text", { class: "said", ...place }, said)];
    });
  }

  line() {
    const points = this.data.points;
    const path = points.map(([at, share, , , , half], n) => {
      const y = this.y(share);  // level over its hour, so that what happened in it lies within
      return `${n ? "L" : "M"}${this.x(at - half)} ${y}L${this.x(at + half)} ${y}`;
    }).join("");
    const made = [shape("path", { class: "line", d: path })];
    for (const [at, share, low, high, said] of points) {
      const x = this.x(at);
      const ends = { y1: this.y(low), y2: this.y(Math.min(high, this.data.top)) };
      made.push(shape("line", { class: "reach", x1: x, x2: x, ...ends }));
      const dot = shape("circle", { class: "dot", cx: x, cy: this.y(share), r: 4 });
      dot.append(shape("title", {}, said));
      made.push(dot);
    }
    return made;
  }
}
