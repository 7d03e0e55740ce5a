// The grid of fail rates: a table whose cells are chosen by mouse or keys. All text is textContent.

const grids = new WeakMap();
const MOVES = {
  ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0],
  Home: [0, -1e6], End: [0, 1e6],
};

export default function draw({ data, parentElement, setTriggerValue }) {
  let grid = grids.get(parentElement);
  if (!grid) {
    grid = takenOver(parentElement, ".grid") ?? new Grid(parentElement);
    grids.set(parentElement, grid);
  }
  grid.update(data, setTriggerValue);
  window.waypostFirst?.leave();
}

/** The address of a cell, by its row and its evaluator. */
function leads({ hrefs }, [row, column]) {
  return `${hrefs.rows[row]}&evaluator=${encodeURIComponent(hrefs.columns[column])}`;
}

class Grid extends Table {
  constructor(parent) {
    super(parent, "grid");
    this.at = [0, 0];
  }

  redraw() {
    const { chosen, ...rest } = this.data;
    const figures = JSON.stringify(rest);
    if (chosen) this.at = chosen;
    if (figures !== this.figures) {
      this.figures = figures;
      const hadFocus = this.box.contains(this.box.getRootNode().activeElement);
      this.box.replaceChildren(this.table());
      if (hadFocus) this.focus();
    }
    this.mark(chosen ? this.cell(...chosen) : null);
    if (chosen) this.tabTo(this.cell(...chosen));
  }

  /** The one cell that the tab key comes to. */
  tabTo(cell) {
    if (!cell) return;
    for (const one of this.box.querySelectorAll('[tabindex="0"]')) one.tabIndex = -1;
    cell.tabIndex = 0;
  }

  mark(chosen) {
    for (const one of this.box.querySelectorAll(".chosen")) {
      one.classList.remove("chosen");
      one.setAttribute("aria-selected", "false");
    }
    chosen?.classList.add("chosen");
    chosen?.setAttribute("aria-selected", "true");
  }

  focus() {
    this.cell(...this.at)?.focus();
  }

  table() {
    const table = el("table", "", null, { role: "grid", "aria-label": this.data.label });
    const head = el("tr");
    head.append(el("th", "corner", this.data.corner, { scope: "col" }));
    for (const name of this.data.columns) head.append(el("th", "", name, { scope: "col" }));
    const top = el("thead");
    top.append(head);
    const body = el("tbody");
    this.cells = this.data.rows.map((row, r) => {
      const line = el("tr");
      line.append(el("th", "", row.label, { scope: "row", title: row.label }));
      const made = row.cells.map((one, e) => this.draw(one, r, e));
      line.append(...made);
      body.append(line);
      return made;
    });
    table.append(top, body);
    const start = this.cell(...this.at) ?? this.cells.flat().find((one) => !one.classList.contains("none"));
    if (start) start.tabIndex = 0;
    return table;
  }

  draw(one, r, e) {
    if (!one) return el("td", "none", "–", { "aria-label": "no verdicts" });
    const [rate, rest, shade, isFew, isFlagged, spoken] = one;
    const kinds = [
      shade < 0 ? "down" : "up", `s${Math.abs(shade)}`, isFew ? "few" : "",
      isFlagged ? "flagged" : "",
    ];
    const made = el("td", kinds.filter(Boolean).join(" "), null, {
      "aria-label": spoken, title: spoken, tabindex: "-1", "aria-selected": "false",
    });
    made.dataset.r = r;
    made.dataset.e = e;
    made.append(el("b", "", isFlagged ? `${rate} ▲` : rate), el("small", "", rest));
    return made;
  }

  cell(r, e) {
    const found = this.cells?.[r]?.[e];
    return found?.dataset.r === undefined ? null : found;
  }

  clicked(event) {
    const cell = event.target.closest("td[data-r]");
    if (cell) this.pick(Number(cell.dataset.r), Number(cell.dataset.e));
  }

  pick(r, e) {
    this.at = [r, e];
    this.mark(this.cell(r, e));
    this.choose("cell", [r, e]);
  }

  pressed(event) {
    const cell = event.target.closest("td[data-r]");
    if (!cell || event.ctrlKey || event.metaKey || event.altKey) return;
    const [r, e] = [Number(cell.dataset.r), Number(cell.dataset.e)];
    if (event.key === "Enter" || event.key === " ") this.pick(r, e);
    else if (event.key in MOVES) this.move(r, e, MOVES[event.key]);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  move(r, e, [down, right]) {
    const row = Math.min(Math.max(r + down, 0), this.cells.length - 1);
    const step = Math.sign(right) || 1;
    let column = Math.min(Math.max(e + right, 0), this.cells[row].length - 1);
    while (this.cells[row][column] && !this.cell(row, column)) column += Math.abs(right) > 1 ? -step : step;
    const next = this.cell(row, column);
    if (!next) return;
    this.tabTo(next);
    next.focus();
    this.at = [row, column];
  }
}
