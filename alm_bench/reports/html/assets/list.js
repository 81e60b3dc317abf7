// A list of any length: only the rows that are in sight are in the document.

const ROW_HEIGHT = 68;
const OVERSCAN = 8;

class VirtualList {
  constructor(box, build) {
    this.box = box;
    this.build = build;
    this.items = [];
    this.inner = el("div", { role: "list", class: "rows" });
    box.append(this.inner);
    box.addEventListener("scroll", () => this.draw());
    new ResizeObserver(() => this.draw()).observe(box);
  }

  show(items) {
    this.items = items;
    this.inner.style.height = items.length * ROW_HEIGHT + "px";
    this.redraw();
  }

  scrollTo(index) {
    const top = index * ROW_HEIGHT;
    if (top < this.box.scrollTop || top + ROW_HEIGHT > this.box.scrollTop + this.box.clientHeight) {
      this.box.scrollTop = Math.max(0, top - this.box.clientHeight / 3);
    }
    this.redraw();
  }

  /** Build the rows in sight anew, where another item is open. */
  redraw() {
    this.drawn = null;
    this.draw();
  }

  draw() {
    const first = Math.max(0, Math.floor(this.box.scrollTop / ROW_HEIGHT) - OVERSCAN);
    const last = Math.min(this.items.length, Math.ceil((this.box.scrollTop + this.box.clientHeight) / ROW_HEIGHT) + OVERSCAN);
    if (this.drawn && this.drawn[0] === first && this.drawn[1] === last) return;
    this.drawn = [first, last];
    const focused = document.activeElement && this.inner.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    const rows = [];
    for (let index = first; index < last; index++) {
      const row = el("div", { role: "listitem", class: "row", "aria-setsize": this.items.length, "aria-posinset": index + 1 }, this.build(this.items[index], index));
      row.style.top = index * ROW_HEIGHT + "px";
      rows.push(row);
    }
    this.inner.replaceChildren(...rows);
    if (focused) rows.map((row) => row.querySelector("a")).find((link) => link && link.getAttribute("href") === focused)?.focus({ preventScroll: true });
  }
}
