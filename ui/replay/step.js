// Draws one step. Every text of a trace goes through textContent; nothing here writes markup.

const VERDICTS = {
  failed: ["✕", "bad"], passed: ["✓", "good"], abstained: ["–", "mute"], noted: ["•", "mute"],
};
const STATUSES = {
  ok: "", error: "error", interrupted: "interrupted", blocked: "blocked",
  not_executed: "not executed", abandoned: "abandoned", running: "running",
};

function block(title, text, quotes, more) {
  const part = el("section", "block");
  const head = el("div", "block-head");
  head.append(el("h3", "", title));
  if (more) head.append(more);
  part.append(head, pre(text, quotes, title));
  return part;
}

function pre(text, quotes, title) {
  const box = el("pre", "", null, { tabindex: "0", "aria-label": title, role: "region" });
  for (const [piece, isMarked] of marked(text, quotes)) {
    box.append(isMarked ? el("mark", "", piece) : document.createTextNode(piece));
  }
  return box;
}

function folded(title, build, open) {
  const box = el("details", "fold");
  box.append(el("summary", "", title));
  const fill = () => { if (box.open && box.children.length === 1) box.append(build()); };
  box.addEventListener("toggle", fill);
  if (open) { box.open = true; fill(); }
  return box;
}

function message(given, quotes) {
  const box = el("div", `message ${["user", "assistant", "system", "tool"].includes(given.role) ? given.role : "other"}`);
  box.append(el("div", "role", given.role || "message"));
  for (const part of given.parts) {
    if (part.type === "tool_call") box.append(el("div", "call", `calls ${part.name ?? "a tool"}`));
    if (part.type === "reasoning") box.append(el("div", "call", "reasoning"));
    if (part.type === "tool_call_response") box.append(el("div", "call", part.failed ? "✕ tool result, an error" : "tool result"));
    box.append(pre(part.text ?? "", quotes, `${given.role} message`));
  }
  return box;
}

function messages(title, list, quotes) {
  const part = el("section", "block");
  part.append(el("h3", "", title));
  for (const one of list) part.append(message(one, quotes));
  return part;
}

function judges(step, can, onVerdict) {
  const part = el("section", "block judges");
  part.append(el("h3", "", "Judges"));
  const passed = step.judges.filter((j) => j.outcome === "passed");
  const silent = step.judges.filter((j) => j.outcome === "abstained");
  const others = step.judges.filter((j) => j.outcome !== "passed" && j.outcome !== "abstained");
  others.sort((a, b) => (a.outcome === "failed" ? 0 : 1) - (b.outcome === "failed" ? 0 : 1));
  for (const judge of others) part.append(verdict(step, judge, can, onVerdict));
  foldedJudges(part, "–", "gave no verdict", silent, (judge) => verdict(step, judge, can, onVerdict));
  foldedJudges(part, "✓", "passed", passed, (judge) => verdict(step, judge, can, onVerdict),
    others.length === 0 && passed.length === 1);
  return part;
}

function foldedJudges(part, mark, what, judges, draw, open = false) {
  if (judges.length === 0) return;
  const names = oneLine(judges.map((j) => j.title).join(", "), 110);
  part.append(folded(`${mark} ${judges.length} ${what}: ${names}`, () => {
    const box = el("div");
    box.append(...judges.map(draw));
    return box;
  }, open));
}

function verdict(step, judge, can, onVerdict) {
  const [mark, tone] = VERDICTS[judge.outcome] ?? VERDICTS.noted;
  const box = el("div", `verdict ${tone}`);
  const line = el("div", "verdict-line");
  line.append(el("span", "mark", mark), el("strong", "", judge.title));
  line.append(el("span", `tone ${tone}`, judge.outcome));
  if (judge.value !== null && judge.value !== undefined) {
    line.append(el("span", "number", judge.value.toFixed(2)));
  }
  if (judge.label) line.append(el("span", "tag", judge.label));
  line.append(el("span", "about", aboutJudge(judge), { title: `version ${judge.version}` }));
  if (can.review && judge.source !== "human" && judge.outcome !== "noted") {
    line.append(answers(judge, (outcome, note) => onVerdict(judge, outcome, note)));
  }
  box.append(line);
  if (judge.why) box.append(el("p", "why", judge.why));
  for (const evidence of judge.evidence) {
    const where = evidence.where === "step" ? "" : evidence.where;
    const at = evidence.at ? `step ${evidence.at}` : evidence.where === "step" ? "this step" : "";
    const said = [[at, where].filter(Boolean).join(", "), evidence.note].filter(Boolean).join(": ");
    const row = el("p", "evidence", said ? `${said} ` : "");
    if (evidence.quote) row.append(el("q", "", evidence.quote));
    if (row.textContent) box.append(row);
  }
  return box;
}

function aboutJudge(judge) {
  const parts = [judge.by ? `by ${judge.by}` : judge.source, `version ${judge.version.split("-")[0]}`];
  if (judge.cost) parts.push(`$${judge.cost.toPrecision(2)}`);
  return parts.join(" · ");
}

function answers(judge, onAnswer) {
  const box = el("span", "answers");
  const note = el("input", "note", null, {
    type: "text", placeholder: "note", maxlength: "2000", "aria-label": `Note on ${judge.title}`,
  });
  box.append(note);
  for (const [name, title] of [["agree", "a"], ["disagree", "d"]]) {
    const button = el("button", "small", name, {
      type: "button", title: `${name} (${title})`, "aria-label": `${name} with ${judge.title}`,
    });
    button.addEventListener("click", () => onAnswer(name, note.value));
    box.append(button);
  }
  return box;
}

export function failedBy(step) {
  return step.judges.filter((j) => j.outcome === "failed").map((j) => j.title).join(", ");
}

function header(step, total) {
  const head = el("header", "step-head");
  const line = el("div", "step-line");
  line.append(el("span", "count", `step ${step.n} of ${total}`));
  line.append(el("span", `kind ${step.kind}`, step.kind), el("h2", "", step.label));
  line.append(el("span", "number", took(step.took)));
  const ended = STATUSES[step.status] ?? step.status;
  if (ended) line.append(el("span", "tone bad", `✕ ${ended}`));
  const failing = failedBy(step);
  if (failing) line.append(el("span", "tone bad", `✕ ${failing}`));
  head.append(line);
  const facts = el("div", "facts");
  if (step.agent) facts.append(fact("agent", step.agent));
  if (step.attempt > 1) facts.append(fact("attempt", step.attempt));
  for (const [name, value] of step.facts) facts.append(fact(name, value));
  head.append(facts);
  return head;
}

function fact(name, value) {
  const box = el("span", "fact");
  box.append(el("span", "fact-name", name), el("span", "", value));
  return box;
}

/** The whole pane of a step. `act` asks for more of it and takes the reader's verdicts. */
export function drawStep(step, total, can, act) {
  const quotes = step.judges.flatMap((j) => j.evidence.map((e) => e.quote)).filter(Boolean);
  const pane = el("article", "step");
  pane.append(header(step, total));
  for (const gap of step.gaps) pane.append(el("p", "gap", `⚠ ${gap}`));
  if (step.error) pane.append(fault(step.error));
  if (step.judges.length) pane.append(judges(step, can, (j, o, note) => act.verdict(step, j, o, note)));
  else if (can.review) pane.append(unjudged(step, act));
  for (const part of payload(step, quotes)) pane.append(part);
  pane.append(context(step, quotes, act));
  if (step.others.length) pane.append(below(step.others));
  pane.append(folded("Raw JSON", () => act.raw(step)));
  return pane;
}

function unjudged(step, act) {
  const row = el("p", "about", "No evaluator has judged this step. ");
  const button = el("button", "small", "mark as bad", { type: "button", title: "d" });
  button.addEventListener("click", () => act.verdict(step, null, "disagree"));
  row.append(button);
  return row;
}

function fault(error) {
  const part = el("section", "block fault");
  part.append(el("h3", "", `✕ ${error.type}`), pre(error.message || "no message", [], "error"));
  if (error.stack) part.append(folded("Stack", () => pre(error.stack, [], "stack")));
  return part;
}

function payload(step, quotes) {
  const parts = [];
  if (step.arguments !== undefined) parts.push(call(step, quotes));
  if (step.query !== undefined) parts.push(block("Query", step.query, quotes));
  if (step.result !== undefined) parts.push(block("Result", step.result, quotes));
  for (const document of step.documents ?? []) {
    const score = document.score === null ? "" : ` · ${document.score.toFixed(3)}`;
    parts.push(block(`Document ${document.id ?? ""}${score}`, document.content, quotes));
  }
  for (const name of ["memory", "guard", "human"]) {
    if (step[name] !== undefined) parts.push(block(name[0].toUpperCase() + name.slice(1), step[name], quotes));
  }
  if (step.output.length) parts.push(messages("Output", step.output, quotes));
  return parts;
}

function call(step, quotes) {
  const title = step.executed === false ? `Call ${step.tool} (not executed)` : `Call ${step.tool}`;
  if (!step.previous) return block(title, step.arguments, quotes);
  const part = block(title, step.arguments, quotes);
  const before = step.previous;
  part.append(folded(`Changed since step ${before.n}`, () => lines(before.arguments, step.arguments)));
  return part;
}

function lines(before, after) {
  const box = el("pre", "diff", null, { tabindex: "0", role: "region", "aria-label": "difference" });
  for (const [sign, line] of difference(before, after)) {
    const kind = { "+": "plus", "-": "minus", " ": "same" }[sign];
    box.append(el("span", kind, `${sign} ${line}\n`));
  }
  return box;
}

function context(step, quotes, act) {
  const box = el("div", "context");
  if (step.kept) {
    const noun = step.kept === 1 ? "message" : "messages";
    box.append(folded(`Context: ${step.kept} earlier ${noun}`, () => act.context(step, quotes)));
  }
  if (step.messages.length) {
    const title = step.kept ? `New since the step before: ${step.messages.length}` : "Input";
    box.append(messages(title, step.messages, quotes));
  }
  if (step.system) box.append(folded("System instructions", () => pre(step.system, quotes, "system")));
  return box;
}

function below(others) {
  const part = el("section", "block");
  part.append(el("h3", "", `Below this step: ${others.length}`));
  const table = el("ul", "others");
  for (const span of others) {
    const row = el("li", span.status === "error" ? "bad" : "");
    row.append(el("span", "", span.name), el("span", "number", took(span.took)));
    table.append(row);
  }
  part.append(table);
  return part;
}

export { folded, message, pre };
