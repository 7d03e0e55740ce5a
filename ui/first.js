// Paints a page's answer before Streamlit is there, with every choice a link; `draw`, `leads` and
// what they need stand before this. The page's own component takes over what `draw` made, is told
// what was done in it that could not be a link, and the rest goes.

const SECOND = 1000;
const node = document.getElementById("waypost-first-data");
const first = JSON.parse(node.textContent);
node.remove();

const told = [];
let inner = null;
const link = (text, href, className) => el("a", className, text, { href });
const current = (made, how) => {
  if (how) made.setAttribute("aria-current", how);
  return made;
};
const texts = (kind) => (block) => {
  const made = el("div", kind);
  made.append(...block.texts.map((text) => el("span", "", text)));
  return made;
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
      const href = leads(block, value);
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
  made.append(...first.until.map(([text, href]) => link(text, href, "boxed")));
  windows.append(...first.windows.map(([name, href, here]) => current(link(name, href, here ? "boxed here" : "boxed"), here)));
  made.append(windows);
  return made;
}

function menu() {
  const made = el("nav", "", null, { "aria-label": "Pages" });
  made.append(el("img", "", null, { src: first.logo, alt: "Waypost" }));
  made.append(...first.menu.map(([title, href, here]) => current(link(title, href, here ? "here" : ""), here && "page")));
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

// What Streamlit draws below is not there for keys and screen readers before it can be seen.
const page = () => document.getElementById("root");
let top = null;
document.addEventListener("DOMContentLoaded", () => { page().inert = Boolean(window.waypostFirst); });

/** Hands a part of what is painted to the page, which is there from now on. */
function give(selector) {
  page().inert = false;
  top ??= host.scrollTop;
  return inner.querySelector(selector);
}

/** The page where the picture was scrolled to, as soon as it is long enough. */
function scrolled(below, tries) {
  if (!below || !top) return;
  below.scrollTop = top;
  if (below.scrollTop < top - 1 && tries) setTimeout(() => scrolled(below, tries - 1), SECOND / 10);
}

function leave() {
  clearInterval(watch);
  delete window.waypostFirst;
  page().inert = false;
  top ??= host.scrollTop;
  requestAnimationFrame(() => {
    scrolled(document.querySelector('[data-testid="stMain"]'), 10);
    host.remove();
  });
}

// A page that turns out to hold no component says so when its script has ended for a while.
let ended = 0;
const watch = setInterval(() => {
  const app = document.querySelector('[data-testid="stApp"]');
  if (document.querySelector('[role="dialog"]')) page().inert = false;
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
window.waypostFirst = { leave, told, ready, give };
