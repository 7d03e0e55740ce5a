// What the grid and the list of runs have in common: a table made of what the page gives it.

class Table {
  constructor(parent, kind, attributes) {
    this.box = el("div", kind, null, attributes);
    this.box.owner = this;
    this.given = "";
    this.seen = "";
    parent.append(this.box);
    this.box.addEventListener("click", (event) => this.clicked(event));
    this.box.addEventListener("keydown", (event) => this.pressed(event));
  }

  /** What the page says. */
  update(data, setTriggerValue) {
    this.trigger = setTriggerValue;
    const given = JSON.stringify(data);
    if (given === this.given) return;
    this.given = given;
    this.show(data);
    this.drawn?.();
  }

  /** What the page will say, before it does: until then a choice is a link. */
  ahead(block) {
    this.early = block;
    this.show(block.data);
  }

  /** What the page said last. */
  back() {
    this.early = null;
    this.show(JSON.parse(this.given));
  }

  show(data) {
    const seen = JSON.stringify(data);
    if (seen === this.seen) return;
    this.seen = seen;
    this.data = data;
    this.redraw();
  }

  choose(name, value) {
    if (this.early) location.assign(leads(this.early, value));
    else this.trigger(name, value);
  }
}
