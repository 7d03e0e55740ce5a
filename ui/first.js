// Paints a page's answer before Streamlit is there, with every choice a link; `draw` and what it
// needs stand before this. It goes when the page's own component has drawn the same, and hands over
// what was done in the meantime and could not be a link.

const SECOND = 1000;
const node = document.getElementById("waypost-first-data");
const first = JSON.parse(node.textContent);
node.remove();

const told = [];
let inner = null;
const link = (text, href, className) => el("a", className, text, { href });
const texts = (kind) => (block) => {
  const made = el("div", kind);
  made.append(...block.texts.map((text) => el("span", "", text)));
  return made;
};

/** Where a choice leads: a cell by its row and its evaluator, a run by itself, the replay by name. */
const LEADS = {
  grid: ({ hrefs }, [row, column]) =>
    `${hrefs.rows[row]}&evaluator=${encodeURIComponent(hrefs.columns[column])}`,
  runs: ({ data }, row) => data.rows[row].href,
  replay: ({ hrefs }, way) => hrefs[way],
};

const BLOCKS = {
  answer(block) {
    const made = el("div", `answer ${block.tone}`), said = el("div");
    said.append(el("p", "", block.sentence), el("p", "", block.detail));
    made.append(said, ...block.buttons.map(([text, href, main]) => link(text, href, main ? "boxed main" : "boxed")));
    return made;
  },
  controls(block) {
    const made = el("div", "controls");
    for (const [title, width] of block.named) {
      const one = el("span", "", title);
      one.style.width = `${width}px`;
      one.append(el("i"));
      made.append(one);
    }
    return made;
  },
  chips: texts("chips"),
  lines: texts("lines"),
  notes: texts("notes"),
  mute: (block) => el("p", "mute", block.text),
  component(block) {
    const made = el("div");
    inner = made.attachShadow({ mode: "closed" });
    inner.append(el("style", "", first.style[block.name]));
    const setStateValue = (name, value) => told.push([name, value]);
    const setTriggerValue = (name, value) => {
      const href = LEADS[block.name](block, value);
      if (href) location.assign(href);
      else told.push([name, value]);
    };
    draw({ data: block.data, parentElement: inner, setStateValue, setTriggerValue });
    return made;
  },
};

function frame() {
  const made = el("div", "frame"), title = el("div"), windows = el("div", "windows");
  title.append(el("h1", "", first.title), el("p", "", first.question));
  made.append(title, ...first.choices.map((text) => el("span", "boxed choice", text)));
  windows.append(...first.windows.map(([name, href, here]) => link(name, href, here ? "boxed here" : "boxed")));
  made.append(windows);
  return made;
}

function menu() {
  const made = el("nav");
  made.append(el("img", "", null, { src: first.logo, alt: "Waypost" }));
  made.append(...first.menu.map(([title, href, here]) => link(title, href, here ? "here" : "")));
  return made;
}

const host = document.createElement("div");
host.id = "waypost-first";
const root = host.attachShadow({ mode: "closed" });
const main = el("main");
if (first.who) main.append(el("div", "who", first.who));
main.append(first.bare ? el("h1", "hidden", first.title) : frame(), ...first.blocks.map((block) => BLOCKS[block.kind](block)));
root.append(el("style", "", first.style.first), menu(), main);
document.body.append(host);
requestAnimationFrame(() => setTimeout(() => performance.mark("waypost-painted")));

function leave() {
  clearInterval(watch);
  delete window.waypostFirst;
  requestAnimationFrame(() => {
    const below = document.querySelector('[data-testid="stMain"]');
    if (below) below.scrollTop = host.scrollTop;
    host.remove();
  });
}

// A page that turns out to hold no component says so when its script has ended for a while.
let ended = 0;
const watch = setInterval(() => {
  const app = document.querySelector('[data-testid="stApp"]');
  ended = app?.dataset.testScriptState === "notRunning" ? ended + 1 : 0;
  if (ended > 4) leave();
}, SECOND / 4);
/** The replay is worth nothing before its first step is there. */
function firstStep() {
  return new Promise((done) => new PerformanceObserver((list) => {
    if (list.getEntriesByName("waypost-step").length) done();
  }).observe({ type: "mark", buffered: true }));
}

const ready = inner.querySelector(".replay") ? firstStep() : Promise.resolve();
window.waypostFirst = { leave, told, ready, find: (selector) => inner.querySelector(selector) };
