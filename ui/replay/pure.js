// What the replay works out without a page: windows, keys, marks, differences.

export const ROW = 28;

/** First and one past the last row to draw for a scroll position. */
export function visible(scrollTop, height, total, row = ROW, over = 8) {
  const first = Math.max(0, Math.floor(scrollTop / row) - over);
  const last = Math.min(total, Math.ceil((scrollTop + height) / row) + over);
  return [first, Math.max(first, last)];
}

/** Starts of the windows of `size` steps that hold step `n` and its neighbours, not yet asked for. */
export function windowsFor(n, total, size, asked) {
  const wanted = [];
  for (const near of [n, n + 10, n - 10]) {
    const inside = Math.min(Math.max(1, near), Math.max(1, total));
    const start = Math.floor((inside - 1) / size) * size + 1;
    if (!asked.has(start) && !wanted.includes(start)) wanted.push(start);
  }
  return wanted;
}

export function clamp(n, total) {
  const whole = Number.isFinite(n) ? Math.round(n) : 1;
  return Math.min(Math.max(1, whole), Math.max(1, total));
}

/** The next (1) or previous (-1) number of a sorted list beyond `n`; null when there is none. */
export function beyond(sorted, n, direction) {
  if (direction > 0) return sorted.find((m) => m > n) ?? null;
  for (let i = sorted.length - 1; i >= 0; i -= 1) if (sorted[i] < n) return sorted[i];
  return null;
}

const KEYS = {
  ArrowRight: "next", j: "next", ArrowDown: "next", ArrowLeft: "previous", k: "previous",
  ArrowUp: "previous", n: "nextFailure", p: "previousFailure", Home: "first", End: "last",
  PageDown: "pageDown", PageUp: "pageUp", Enter: "fold", "/": "find", m: "messages",
  t: "timeline", s: "steps", r: "raw", c: "copy", a: "agree", d: "disagree", " ": "play",
  "[": "previousTrace", "]": "nextTrace", Escape: "leave", "?": "help",
};

/** What a key press asks for; null leaves it to the browser. */
export function actionOf(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return null;
  return KEYS[event.key] ?? null;
}

/** Left edge and width of a bar on the time axis, in percent. */
export function bar(start, took, total) {
  const left = Math.min(99.2, (100 * start) / Math.max(1, total));
  const width = Math.max(0.8, (100 * took) / Math.max(1, total));
  return [left, Math.min(width, 100 - left)];
}

export function took(ms) {
  if (ms < 1) return `${Math.round(ms * 1000)} µs`;
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  const s = ms / 1000;
  if (s < 9.95) return `${s.toFixed(1)} s`;
  if (s < 99.5) return `${Math.round(s)} s`;
  const m = Math.floor(Math.round(s) / 60);
  if (m < 60) return `${m} m ${Math.round(s) % 60} s`;
  return `${Math.floor(m / 60)} h ${m % 60} m`;
}

const BLANKS = /\s+/g;

/** The text cut into plain and marked pieces where one of the quotes stands. */
export function marked(text, quotes) {
  const spans = [];
  for (const quote of quotes) {
    const wanted = quote.replace(/…$/, "").replace(/^…/, "").trim();
    if (wanted.length < 2) continue;
    const at = text.indexOf(wanted);
    if (at >= 0) spans.push([at, at + wanted.length]);
  }
  spans.sort((a, b) => a[0] - b[0] || b[1] - a[1]);
  const pieces = [];
  let done = 0;
  for (const [from, to] of spans) {
    if (to <= done) continue;
    const begin = Math.max(from, done);
    if (begin > done) pieces.push([text.slice(done, begin), false]);
    pieces.push([text.slice(begin, to), true]);
    done = to;
  }
  if (done < text.length || pieces.length === 0) pieces.push([text.slice(done), false]);
  return pieces;
}

/** Lines of two texts as [sign, line]: " " in both, "-" only before, "+" only after. */
export function difference(before, after, most = 400) {
  const a = before.split("\n").slice(0, most);
  const b = after.split("\n").slice(0, most);
  const table = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      table[i][j] = a[i] === b[j]
        ? table[i + 1][j + 1] + 1 : Math.max(table[i + 1][j], table[i][j + 1]);
    }
  }
  const lines = [];
  let i = 0, j = 0;
  while (i < a.length && j < b.length) {
    if (a[i] === b[j]) { lines.push([" ", a[i]]); i += 1; j += 1; }
    else if (table[i + 1][j] >= table[i][j + 1]) { lines.push(["-", a[i]]); i += 1; }
    else { lines.push(["+", b[j]]); j += 1; }
  }
  while (i < a.length) { lines.push(["-", a[i]]); i += 1; }
  while (j < b.length) { lines.push(["+", b[j]]); j += 1; }
  return lines;
}

/** A short text on one line. */
export function oneLine(text, longest = 160) {
  const flat = text.replace(BLANKS, " ").trim();
  return flat.length > longest ? `${flat.slice(0, longest - 1)}…` : flat;
}

const OUTCOMES = { f: "failed", p: "passed" };

/** What is said of a step to those who do not see it. */
export function spoken(row, total, failedBy) {
  const [n, kind, label, status, verdict] = row;
  const judged = OUTCOMES[verdict] ?? "not judged";
  const by = verdict === "f" && failedBy ? ` ${failedBy}` : "";
  const ended = status === "ok" ? "" : `, ${status.replace("_", " ")}`;
  return `step ${n} of ${total}, ${kind} ${oneLine(label, 60)}, ${judged}${by}${ended}`;
}

/** How long a step stays on screen while playing: its own time at a speed, within reason. */
export function dwell(tookMs, speed) {
  return Math.min(2500, Math.max(180, tookMs / speed));
}
