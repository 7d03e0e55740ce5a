// The replay: a virtual list of steps, the pane of one step, and the keys that walk through them.

const SIZE = 50;
const REST = 250;
const VIEWS = ["steps", "messages", "timeline", "raw"];
const HELP = [
  ["→ j", "next step"], ["← k", "previous step"], ["n  p", "next / previous failure"],
  ["Home  End", "first / last step"], ["Space", "play"], ["Enter", "open or fold parts"],
  ["/", "find in this run"], ["s m t r", "steps, messages, timeline, raw"],
  ["a  d", "agree / disagree with the judge"], ["c", "copy a link to this step"],
  ["[  ]", "previous / next run of the list"], ["Esc", "back to the list"], ["?", "these keys"],
];
const replays = new WeakMap();

/** The address of a way out of the run, by its name. */
const leads = ({ hrefs }, way) => hrefs[way];

export default function draw({ data, parentElement, setStateValue, setTriggerValue }) {
  let replay = replays.get(parentElement);
  if (!replay) {
    replay = walked(parentElement) ?? new Replay(parentElement);
    replays.set(parentElement, replay);
  }
  replay.update(data, setStateValue, setTriggerValue);
  window.waypostFirst?.leave();
  return () => setTimeout(() => { if (!replay.root.isConnected) replay.stop(); }, 1000);
}

/** The replay that is walked already, with what was done in it before the page came. */
function walked(parentElement) {
  const replay = takenOver(parentElement, ".replay"), told = window.waypostFirst?.told ?? [];
  if (replay) setTimeout(() => told.forEach(([name, value]) => replay.repeat(name, value)));
  return replay;
}

class Replay {
  constructor(parent) {
    this.rows = [];
    this.failing = [];
    this.found = [];
    this.spans = null;
    this.steps = new Map();
    this.asked = new Set();
    this.n = 1;
    this.view = "steps";
    this.speed = 1;
    this.timers = {};
    this.build(parent);
  }

  // ------------------------------------------------------------ what it is made of

  build(parent) {
    this.root = el("div", "replay", null, { role: "group", "aria-label": "Replay of the run" });
    this.root.owner = this;
    this.bar = this.buildBar();
    this.list = el("div", "list", null, {
      role: "listbox", tabindex: "0", "aria-label": "Steps of the run",
    });
    this.space = el("div", "space", null, { role: "presentation" });
    this.list.append(this.space);
    this.ticks = el("div", "ticks", null, { "aria-hidden": "true" });
    this.pane = el("div", "pane", null, { tabindex: "0", role: "region", "aria-label": "Step" });
    this.said = el("div", "said", null, { role: "status", "aria-live": "polite" });
    const left = el("div", "left");
    left.append(this.list, this.ticks);
    const body = el("div", "body");
    body.append(left, this.pane);
    this.root.append(this.bar, body, this.said);
    parent.append(this.root);
    this.list.addEventListener("scroll", () => this.drawList(), { passive: true });
    this.list.addEventListener("click", (event) => this.clicked(event));
    this.root.addEventListener("keydown", (event) => this.pressed(event));
    new ResizeObserver(() => this.drawList()).observe(this.list);
  }

  buildBar() {
    const bar = el("div", "bar", null, { role: "toolbar", "aria-label": "Replay" });
    const button = (text, title, action) => {
      const made = el("button", "", text, { type: "button", title, "aria-label": title });
      made.addEventListener("click", () => { this.act(action); this.list.focus(); });
      bar.append(made);
      return made;
    };
    button("«", "First step (Home)", "first");
    button("◀", "Previous step (k)", "previous");
    this.count = el("span", "count", "");
    bar.append(this.count);
    button("▶", "Next step (j)", "next");
    button("»", "Last step (End)", "last");
    this.fails = button("next ✕", "Next failure (n)", "nextFailure");
    this.playing = button("play", "Play (Space)", "play");
    this.pace = el("select", "", null, { "aria-label": "Speed" });
    for (const speed of [1, 4, 16]) this.pace.append(el("option", "", `${speed}×`, { value: speed }));
    this.pace.addEventListener("change", () => { this.speed = Number(this.pace.value); });
    this.search = el("input", "", null, {
      type: "search", placeholder: "find in this run  /", "aria-label": "Find in this run",
    });
    this.search.addEventListener("input", () => this.later("find", 200, () => this.findText()));
    this.search.addEventListener("keydown", (event) => this.searching(event));
    this.hits = el("span", "hits", "");
    this.tabs = el("span", "tabs", null, { role: "tablist", "aria-label": "View" });
    for (const view of VIEWS) {
      const tab = el("button", "", view, { type: "button", role: "tab", title: view[0] });
      tab.addEventListener("click", () => this.show(view));
      this.tabs.append(tab);
    }
    bar.append(this.pace, this.search, this.hits, this.tabs);
    button("?", "Keys (?)", "help");
    return bar;
  }

  // ------------------------------------------------------------ what comes from the page

  update(data, setStateValue, setTriggerValue) {
    const before = this.data;
    this.data = data;
    this.tell = setStateValue;
    this.trigger = setTriggerValue;
    this.can = { review: data.can_review };
    const isNew = !before || before.trace !== data.trace;
    if (isNew) this.reset(data);
    else if (data.jump !== before.jump) this.go(data.step);
    else if (data.can_review !== before.can_review) this.drawPane();
    if (isNew || before.stamp !== data.stamp) this.load(isNew);
    else if (before.token !== data.token && this.renewing) { this.renewing = false; this.load(false); }
  }

  focus() {
    this.list.focus({ preventScroll: true });
  }

  /** Tells the page what could not be told before it was there. */
  repeat(name, value) {
    if (name === "step") this.tell(name, value);
    else this.trigger(name, value);
  }

  reset(data) {
    this.rows = [];
    this.steps.clear();
    this.asked.clear();
    this.spans = null;
    this.found = [];
    this.search.value = "";
    this.n = data.step ?? 1;
    this.pane.replaceChildren(el("p", "waiting", "Loading the run …"));
  }

  async load(isFirst) {
    const wasLast = this.rows.length > 0 && this.n === this.rows.length;
    if (!isFirst) { this.steps.clear(); this.asked.clear(); this.spans = null; }
    else this.ask(Math.floor((this.n - 1) / SIZE) * SIZE + 1);
    const outline = await this.fetch("/steps/outline", { near: this.n });
    if (!outline) return;
    if (this.stamp !== outline.stamp) this.rows = [];
    this.stamp = outline.stamp;
    this.put(outline);
    const follow = wasLast && !outline.ended;
    this.go(follow ? this.rows.length : this.n, { quiet: true });
    if (isFirst && (!document.activeElement || document.activeElement === document.body)) {
      this.focus();
    }
  }

  /** Takes rows in; of a long run those around a step come when it is looked at. */
  put(outline) {
    this.isWhole = outline.whole;
    this.total = outline.total;
    this.began = outline.began;
    this.rows.length = outline.count;
    for (const row of outline.rows) this.rows[row[0] - 1] = row;
    this.failing = this.rows.filter((row) => row[4] === "f").map((row) => row[0]);
    this.drawTicks();
  }

  async more(n) {
    const near = clamp(n, this.rows.length);
    if (this.isWhole || this.rows[near - 1] || this.coming) return;
    this.coming = true;
    const outline = await this.fetch("/steps/outline", { near });
    this.coming = false;
    if (!outline) return;
    this.put(outline);
    this.drawList();
    if (this.waiting === this.n) this.go(this.n, { quiet: true });
  }

  async fetch(path, params) {
    const query = new URLSearchParams({ token: this.data.token, ...params });
    let answer;
    try {
      answer = await fetch(`${path}?${query}`, { headers: { accept: "application/json" } });
    } catch {
      this.complain("The dashboard does not answer. It will be asked again.");
      this.later("again", 3000, () => this.load(false));
      return null;
    }
    if (answer.ok) return answer.json();
    if (answer.status === 404 && !this.renewing) {
      this.renewing = true;
      this.trigger("renew", Date.now());
    }
    return null;
  }

  complain(sentence) {
    this.pane.replaceChildren(el("p", "gap", sentence));
  }

  ask(start) {
    if (this.asked.has(start)) return;
    this.asked.add(start);
    this.fetch("/steps", { from: start, count: SIZE }).then((found) => {
      if (!found) { this.asked.delete(start); return; }
      for (const step of found) this.steps.set(step.n, step);
      if (found.length < SIZE && !this.isWhole) this.asked.delete(start);
      if (this.waiting === this.n && this.steps.has(this.n)) this.drawPane();
    });
  }

  // ------------------------------------------------------------ moving

  go(wanted, { quiet = false } = {}) {
    if (this.rows.length === 0) { this.n = wanted; return; }
    this.n = clamp(wanted, this.rows.length);
    this.more(this.n);
    for (const start of windowsFor(this.n, this.rows.length, SIZE, this.asked)) this.ask(start);
    this.reveal();
    this.drawList();
    this.drawPane();
    this.count.textContent = `${this.n} / ${this.rows.length}`;
    this.fails.textContent = this.isWhole ? `next ✕ (${this.failing.length})` : "next ✕";
    this.fails.disabled = this.isWhole && this.failing.length === 0;
    if (!quiet || this.n !== this.data.step) this.later("tell", REST, () => this.tell("step", this.n));
  }

  reveal() {
    this.space.style.height = `${this.rows.length * ROW}px`;
    const top = (this.n - 1) * ROW;
    const height = this.list.clientHeight || 400;
    if (top < this.list.scrollTop + ROW) this.list.scrollTop = Math.max(0, top - height / 3);
    else if (top > this.list.scrollTop + height - 2 * ROW) this.list.scrollTop = top - (2 * height) / 3;
  }

  pressed(event) {
    if (event.target.closest?.("input, select, textarea")) return;
    const action = actionOf(event);
    const onControl = event.target.closest?.("button, summary, details");
    if (!action || (onControl && (event.key === "Enter" || event.key === " "))) return;
    if (this.pane.contains(event.target) && /Arrow(Up|Down)|Page/.test(event.key)) return;
    event.preventDefault();
    event.stopPropagation();
    this.act(action);
  }

  act(action) {
    const page = Math.max(1, Math.floor(this.list.clientHeight / ROW) - 1);
    const moves = {
      next: this.n + 1, previous: this.n - 1, first: 1, last: this.rows.length,
      pageDown: this.n + page, pageUp: this.n - page,
      nextFailure: beyond(this.failing, this.n, 1) ?? this.failing[0],
      previousFailure: beyond(this.failing, this.n, -1) ?? this.failing.at(-1),
    };
    if (!this.isWhole && /Failure$/.test(action)) { this.failureBeyond(action); return; }
    if (action in moves) { if (moves[action]) { this.stopPlaying(); this.go(moves[action]); } return; }
    const other = {
      find: () => this.search.focus(), copy: () => this.copy(), play: () => this.play(),
      steps: () => this.show("steps"), messages: () => this.show("messages"),
      timeline: () => this.show("timeline"), raw: () => this.show("raw"),
      fold: () => this.fold(), agree: () => this.answer("agree"),
      disagree: () => this.answer("disagree"), help: () => this.help(),
      leave: () => (this.root.querySelector(".help") ? this.help() : this.trigger("leave", "list")),
      previousTrace: () => this.trigger("leave", "previous"),
      nextTrace: () => this.trigger("leave", "next"),
    };
    other[action]?.();
  }

  /** Of a long run only the server knows where the next failure is. */
  async failureBeyond(action) {
    const way = action === "nextFailure" ? "on" : "back";
    const found = await this.fetch("/steps/failing", { n: this.n, way });
    if (found) { this.stopPlaying(); this.go(found); }
    else this.say(`No failure ${way === "on" ? "after" : "before"} this step.`);
  }

  play() {
    if (this.timers.play) { this.stopPlaying(); return; }
    this.playing.textContent = "pause";
    const next = () => {
      if (this.n >= this.rows.length) { this.stopPlaying(); return; }
      this.go(this.n + 1);
      this.timers.play = setTimeout(next, dwell((this.rows[this.n - 1]?.[6] ?? 0) / 1000, this.speed));
    };
    this.timers.play = setTimeout(next, 50);
  }

  stopPlaying() {
    clearTimeout(this.timers.play);
    this.timers.play = 0;
    this.playing.textContent = "play";
  }

  stop() {
    for (const timer of Object.values(this.timers)) clearTimeout(timer);
    this.timers = {};
  }

  later(name, ms, work) {
    clearTimeout(this.timers[name]);
    this.timers[name] = setTimeout(work, ms);
  }

  // ------------------------------------------------------------ find, copy, verdicts

  searching(event) {
    if (event.key === "Escape") { this.search.value = ""; this.findText(); this.list.focus(); }
    if (event.key === "Enter" && this.found.length) {
      this.go(beyond(this.found, this.n, event.shiftKey ? -1 : 1) ?? this.found[0]);
    }
    event.stopPropagation();
  }

  async findText() {
    const wanted = this.search.value.trim();
    this.found = wanted ? (await this.fetch("/steps/find", { q: wanted })) ?? [] : [];
    if (wanted !== this.search.value.trim()) return;
    this.hits.textContent = wanted ? `${this.found.length} step${this.found.length === 1 ? "" : "s"}` : "";
    if (this.found.length && !this.found.includes(this.n)) this.go(this.found[0]);
    else this.drawList();
    this.drawTicks();
  }

  async copy() {
    const link = new URL(this.root.ownerDocument.location.href);
    link.searchParams.set("trace_id", this.data.trace);
    link.searchParams.set("step", this.n);
    try {
      await navigator.clipboard.writeText(link.href);
      this.say("Link copied.");
    } catch { this.say(link.href); }
  }

  say(sentence) {
    this.said.textContent = sentence;
    this.said.classList.add("shown");
    this.later("hush", 2500, () => this.said.classList.remove("shown"));
  }

  answer(outcome) {
    const step = this.steps.get(this.n);
    if (!step || !this.can.review) return;
    const judged = step.judges.filter((j) => j.source !== "human" && j.outcome !== "noted");
    const judge = judged.find((j) => j.outcome === "failed") ?? judged[0] ?? null;
    if (judge || outcome === "disagree") this.verdict(step, judge, outcome);
  }

  verdict(step, judge, outcome, note = "") {
    this.trigger("verdict", {
      span: step.span, step: step.n, answer: outcome, note,
      evaluator: judge ? judge.evaluator : null, version: judge ? judge.version : null,
      outcome: judge ? judge.outcome : null,
    });
    this.say(`${outcome === "agree" ? "Agreed" : "Disagreed"}${judge ? ` with ${judge.title}` : ""} on step ${step.n}.`);
  }

  fold() {
    const parts = [...this.pane.querySelectorAll("details")];
    const open = !parts.some((part) => part.open);
    for (const part of parts) if (!/Raw/.test(part.textContent.slice(0, 8))) part.open = open;
  }

  help() {
    const known = this.root.querySelector(".help");
    if (known) { known.remove(); this.list.focus(); return; }
    const box = el("div", "help", null, { role: "dialog", "aria-label": "Keys", tabindex: "-1" });
    const keys = el("dl", "");
    for (const [key, what] of HELP) keys.append(el("dt", "", key), el("dd", "", what));
    box.append(el("h2", "", "Keys"), keys);
    box.addEventListener("click", () => box.remove());
    this.root.append(box);
  }

  // ------------------------------------------------------------ drawing

  drawList() {
    const rows = this.view === "timeline" && this.spans ? this.spans : this.rows;
    const [first, last] = visible(this.list.scrollTop, this.list.clientHeight, rows.length);
    this.space.style.height = `${rows.length * ROW}px`;
    const drawn = document.createDocumentFragment();
    for (let i = first; i < last; i += 1) drawn.append(this.row(rows[i], i));
    const middle = Math.floor((first + last) / 2);
    if (rows === this.rows && last && !rows[middle]) this.later("more", 120, () => this.more(middle + 1));
    this.space.replaceChildren(drawn);
    const isDrawn = first < this.n && this.n <= last && rows === this.rows;
    if (isDrawn) this.list.setAttribute("aria-activedescendant", `step-${this.n}`);
    else this.list.removeAttribute("aria-activedescendant");
  }

  row(row, place) {
    if (!row) return this.hole(place);
    const [n, kind, label, status, verdict, start, duration, depth] = row;
    const isChosen = n === this.n && n !== null;
    const made = el("div", `row${isChosen ? " chosen" : ""}${verdict === "f" ? " failed" : ""}`, null, {
      role: "option", "aria-selected": String(isChosen), "aria-setsize": this.rows.length,
      "aria-posinset": place + 1, "aria-label": spoken(row, this.rows.length),
    });
    if (n !== null) { made.id = `step-${n}`; made.dataset.step = n; }
    if (this.found.includes(n)) made.classList.add("found");
    made.style.top = `${place * ROW}px`;
    const broken = status === "error" || status === "blocked";
    const mark = verdict === "f" ? "✕" : broken ? "!" : verdict === "p" ? "✓" : "·";
    made.append(el("span", "n", n ?? ""), el("span", `mark ${verdict !== "f" && broken ? "e" : verdict}`, mark));
    const name = el("span", "name", oneLine(label, 80));
    name.style.paddingLeft = `${Math.min(depth, 6) * 12}px`;
    name.title = label;
    made.append(el("span", `kind ${kind}`, kind), name);
    const track = el("span", "track");
    const piece = el("span", `piece ${kind}${verdict === "f" ? " f" : ""}`);
    const [left, width] = bar(start, duration, this.total);
    piece.style.left = `${left}%`;
    piece.style.width = `${width}%`;
    track.append(piece);
    made.append(track, el("span", "took", took(duration / 1000)));
    return made;
  }

  hole(place) {
    const made = el("div", "row", null, { role: "option", "aria-label": `step ${place + 1} is on its way` });
    made.dataset.step = place + 1;
    made.style.top = `${place * ROW}px`;
    made.append(el("span", "n", place + 1), el("span", "mark", "…"));
    return made;
  }

  drawTicks() {
    const drawn = document.createDocumentFragment();
    const all = Math.max(1, this.rows.length);
    const isShort = all * ROW <= this.list.clientHeight; // ticks stand for places on the scroll bar
    for (const [numbers, kind] of [[this.failing, "f"], [this.found, "s"]]) {
      for (const n of isShort ? [] : numbers.slice(0, 400)) {
        const tick = el("span", `tick ${kind}`);
        tick.style.top = `${(100 * (n - 0.5)) / all}%`;
        drawn.append(tick);
      }
    }
    this.ticks.replaceChildren(drawn);
  }

  clicked(event) {
    const row = event.target.closest(".row");
    if (row?.dataset.step) { this.stopPlaying(); this.go(Number(row.dataset.step)); }
  }

  drawPane() {
    const step = this.steps.get(this.n);
    if (!step) {
      this.waiting = this.n;
      if (this.rows.length === 0) this.complain("This run has no step yet.");
      else if (!this.rows[this.n - 1]) this.complain("This run is long; this step is on its way …");
      return;
    }
    this.waiting = 0;
    // How long a reader waited for the first one.
    if (!performance.getEntriesByName("waypost-step").length) performance.mark("waypost-step");
    this.said.textContent = spoken(this.rows[this.n - 1], this.rows.length, failedBy(step));
    if (this.view === "messages") this.drawMessages();
    else if (this.view === "raw") this.drawRaw(step);
    else {
      this.pane.replaceChildren(drawStep(step, this.rows.length, this.can, {
        verdict: (s, judge, outcome, note) => this.verdict(s, judge, outcome, note),
        context: (s, quotes) => this.earlier(s, quotes), raw: (s) => this.rawOf(s),
      }));
    }
    this.pane.scrollTop = 0;
  }

  earlier(step, quotes) {
    const box = el("div", "", "Loading …");
    this.fetch("/steps/one", { n: step.n }).then((whole) => {
      if (!whole) return;
      const old = whole.messages.slice(0, step.kept);
      box.replaceChildren(...old.map((one) => message(one, quotes)));
    });
    return box;
  }

  rawOf(step) {
    const box = el("div", "", "Loading …");
    this.fetch("/steps/one", { n: step.n }).then((whole) => {
      if (whole) box.replaceChildren(pre(whole.raw, [], "raw JSON"));
    });
    return box;
  }

  drawRaw(step) {
    const box = el("article", "step");
    box.append(el("h2", "", `step ${step.n}, as it is stored`), this.rawOf(step));
    this.pane.replaceChildren(box);
  }

  drawMessages() {
    const box = el("article", "step");
    const from = Math.max(1, this.n - 10);
    box.append(el("h2", "", `Conversation from step ${from} to ${this.n}`));
    const shown = [];
    for (let n = from; n <= this.n; n += 1) if (this.steps.get(n)) shown.push(this.steps.get(n));
    // What a model was told of a tool is not said twice.
    const told = new Set(shown.flatMap((step) => [...step.messages, ...step.output])
      .flatMap((one) => one.parts).filter((part) => part.id).map((part) => part.type + part.id));
    for (const step of shown) {
      for (const one of [...step.messages, ...step.output]) box.append(message(one, []));
      const parts = [];
      if (step.arguments !== undefined && !told.has(`tool_call${step.call}`)) {
        parts.push({ type: "tool_call", name: step.tool, text: step.arguments });
      }
      if (step.result !== undefined && !told.has(`tool_call_response${step.call}`)) {
        parts.push({ type: "tool_call_response", text: step.result });
      }
      if (step.arguments !== undefined && parts.length) box.append(message({ role: "tool", parts }, []));
    }
    this.pane.replaceChildren(box);
    this.pane.scrollTop = this.pane.scrollHeight;
  }

  async show(view) {
    this.view = this.view === view ? "steps" : view;
    this.root.dataset.view = this.view;
    for (const tab of this.tabs.children) {
      tab.setAttribute("aria-selected", String(tab.textContent === this.view));
    }
    if (this.view === "timeline" && !this.spans) {
      this.spans = (await this.fetch("/steps/spans", {})) ?? null;
    }
    this.drawList();
    this.drawPane();
    this.list.focus({ preventScroll: true });
  }
}
