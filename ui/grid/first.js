// Paints a page's answer before Streamlit is there, with every choice a link; `draw` is the
// component of the page. It goes when the page's own component has drawn the same.

const SECOND = 1000;
const node = document.getElementById("waypost-first-data");
const first = JSON.parse(node.textContent);
node.remove();

const link = (text, href, className) => el("a", className, text, { href });

const BLOCKS = {
  answer(block) {
    const made = el("div", `answer ${block.tone}`), said = el("div");
    said.append(el("p", "", block.sentence), el("p", "", block.detail));
    made.append(said, ...block.buttons.map(([text, href]) => link(text, href, "boxed")));
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
  chips(block) {
    const made = el("div", "chips");
    made.append(...block.texts.map((text) => el("span", "", text)));
    return made;
  },
  mute: (block) => el("p", "mute", block.text),
  component(block) {
    const made = el("div"), inner = made.attachShadow({ mode: "closed" });
    inner.append(el("style", "", first.style[block.name]));
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    const setTriggerValue = (_, chosen) => location.assign(chosenHref(block, chosen));
    draw({ data: { ...block.data, dark }, parentElement: inner, setTriggerValue });
    return made;
  },
};

/** A row of the list has its own address; that of a cell is its row's and its evaluator. */
function chosenHref({ data, hrefs }, chosen) {
  if (!hrefs) return data.rows[chosen].href;
  const [row, column] = chosen;
  return `${hrefs.rows[row]}&evaluator=${encodeURIComponent(hrefs.columns[column])}`;
}

function frame() {
  const made = el("div", "frame"), title = el("div"), windows = el("div", "windows");
  title.append(el("h1", "", first.title), el("p", "", first.question));
  made.append(title, ...first.choices.map((text) => el("span", "boxed choice", text)));
  windows.append(...first.windows.map(([name, href, here]) => link(name, href, here ? "boxed here" : "boxed")));
  if (first.windows.length) made.append(windows);
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
main.append(frame(), ...first.blocks.map((block) => BLOCKS[block.kind](block)));
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
window.waypostFirst = { leave };
