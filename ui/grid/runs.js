// The list of runs: a table whose lines are links, so that any can be opened in a tab of its own.

const lists = new WeakMap();

export default function draw({ data, parentElement, setTriggerValue }) {
  let list = lists.get(parentElement);
  if (!list) {
    list = takenOver(parentElement, ".runs") ?? new Runs(parentElement);
    lists.set(parentElement, list);
  }
  list.update(data, setTriggerValue);
  window.waypostFirst?.leave();
}

/** One mark a step, the failed ones in their colour. */
function marks(text) {
  const made = el("span", "shape");
  for (const piece of text.match(/[✕!]+|[^✕!]+/g) ?? []) {
    made.append("✕!".includes(piece[0]) ? el("b", "bad", piece) : document.createTextNode(piece));
  }
  return made;
}

/** The address of a run. */
function leads({ data }, row) {
  return data.rows[row].href;
}

class Runs extends Table {
  constructor(parent) {
    super(parent, "runs", { tabindex: "0", role: "region" });
  }

  redraw() {
    const { data } = this;
    this.box.setAttribute("aria-label", data.label);
    const table = el("table");
    const head = el("tr");
    for (const [name, kind, title] of data.columns) {
      head.append(el("th", kind, name, { scope: "col", title: title || name }));
    }
    const top = el("thead");
    top.append(head);
    const body = el("tbody");
    data.rows.forEach((row, place) => body.append(this.line(row, place, data.columns)));
    table.append(top, body);
    this.box.replaceChildren(table);
    this.box.scrollTop = 0;
  }

  line(row, place, columns) {
    const made = el("tr", row.failed ? "failed" : "");
    made.dataset.row = place;
    row.cells.forEach((value, n) => {
      const [, kind] = columns[n];
      const cell = el("td", kind);
      if (n === 0) cell.append(el("a", "", value, { href: row.href, title: row.title }));
      else if (kind === "marks") cell.append(marks(value));
      else cell.textContent = value ?? "";
      if (kind === "long" || kind === "marks") cell.title = value;
      made.append(cell);
    });
    return made;
  }

  clicked(event) {
    const line = event.target.closest("tr[data-row]");
    if (!line || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (String(this.box.getRootNode().getSelection?.() ?? "")) return;
    event.preventDefault();
    this.choose("row", Number(line.dataset.row));
  }

  pressed(event) {
    const way = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 }[event.key];
    if (!way || event.ctrlKey || event.metaKey || event.altKey) return;
    const links = [...this.box.querySelectorAll("a")];
    const at = links.indexOf(this.box.getRootNode().activeElement);
    const next = links[Math.min(Math.max(at + way, 0), links.length - 1)];
    if (!next) return;
    event.preventDefault();
    next.focus();
  }
}
