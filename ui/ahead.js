// Another window's answer, shown as soon as the server has it: the page at that address holds it.
// It stands in for what the page drew and goes when the page has drawn again, whatever that was.

const HELD = /id="waypost-first-data">(\{[^<]*)</;
const BUTTON = ".st-key-frame_win button";
const SAID = '[class*="st-key-answer_"], .st-key-mute_list';
const RESTS = 60; // milliseconds: a pointer that only passes asks for nothing
const FRESH = 10_000;
const LONGEST = 250;
const nothing = () => {};
const after = (ms) => new Promise((done) => setTimeout(done, ms));
let asked = null;
let stop = nothing;
let resting = 0;
let latest = null;

/** Another window than the page's that an event is about, on a page with a table to show it in. */
function chosen(event) {
  const button = event.target.closest?.(BUTTON);
  return button?.ariaChecked === "false" && table() ? button : null;
}

function ask(button) {
  const query = new URLSearchParams(location.search);
  query.set("win", button.textContent.trim());
  query.delete("until");
  const address = `${location.pathname}?${query}`;
  const isKnown = asked?.address === address && performance.now() - asked.at < FRESH;
  if (!isKnown) asked = { address, answer: answerAt(address), at: performance.now() };
  return asked.answer;
}

async function answerAt(address) {
  try {
    const page = await fetch(address, { headers: { accept: "text/html" } });
    return JSON.parse(HELD.exec(await page.text())[1]).blocks;
  } catch {
    return null; // the page draws it, or says what is wrong
  }
}

/** The table of this page, which knows what it was given. */
function table() {
  const hosts = document.querySelectorAll('[data-testid="stBidiComponentIsolated"]');
  return [...hosts].map((one) => one.shadowRoot?.querySelector(".grid, .runs")?.owner).find(Boolean);
}

/** The page's sentence once more with other words, in its place; how to take it away again. */
function sentence(block) {
  const own = document.querySelector(SAID);
  if (!own || !block) return nothing;
  const made = own.cloneNode(true);
  const tone = /(answer|detail_first)_(bad|good|plain)/g;
  for (const one of [made, ...made.querySelectorAll('[class*="st-key-detail_"]')]) {
    one.className = one.className.replace(tone, `$1_${block.tone}`);
  }
  const texts = made.querySelectorAll('[data-testid="stText"] span');
  [block.sentence ?? block.text, block.detail].forEach((text, n) => { if (texts[n]) texts[n].textContent = text; });
  own.style.setProperty("display", "none", "important");
  own.after(made);
  return () => {
    made.remove();
    own.style.removeProperty("display");
  };
}

function show(owner, blocks) {
  const named = owner.box.className;
  const found = blocks.find((one) => one.kind === "component" && one.name === named);
  if (!found) return nothing;
  owner.ahead(found);
  const away = sentence(blocks.find((one) => one.kind === "answer" || one.kind === "mute"));
  return () => { away(); owner.back(); };
}

addEventListener("pointerover", (event) => {
  const button = chosen(event);
  clearTimeout(resting);
  if (button) resting = setTimeout(ask, RESTS, button);
}, true);

addEventListener("pointerdown", (event) => {
  const button = chosen(event);
  clearTimeout(resting);
  if (button) ask(button);
}, true);

async function choose(button) {
  stop();
  const owner = table(), answer = ask(button), app = document.querySelector('[data-testid="stApp"]');
  asked = null;
  let away = nothing, isOver = false;
  const ended = new MutationObserver(() => { if (app.dataset.testScriptState === "notRunning") over(); });
  const over = stop = () => {
    isOver = true;
    ended.disconnect();
    owner.drawn = nothing;
    away();
    away = nothing;
  };
  owner.drawn = over;
  ended.observe(app, { attributeFilter: ["data-test-script-state"] });
  const blocks = await answer;
  if (!isOver && blocks) away = show(owner, blocks);
}

// The page hears of a click after the picture: beside one another both would take longer.
addEventListener("click", async (event) => {
  if (!event.isTrusted || !event.target.closest?.(BUTTON)) return;
  latest = event;
  const button = chosen(event);
  if (!button) {
    stop();
    return;
  }
  event.stopImmediatePropagation();
  try {
    await Promise.race([choose(button), after(LONGEST)]);
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  } finally {
    if (latest === event) button.click();
  }
}, true);

addEventListener("keydown", (event) => {
  const button = event.key === "Enter" || event.key === " " ? chosen(event) : null;
  if (button) choose(button);
}, true);
