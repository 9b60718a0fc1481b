/** Ticked rows of a list that is drawn again and again, and the bar of what can be done with all of them at once. */
import { plural } from "./format.js";

export class Chosen {
  /**
   * @param {HTMLElement} list Holds the boxes, [data-pick], and the form [data-chosen] that they belong to.
   * @param {string} what A row, as in “run”.
   */
  constructor(list, what) {
    this.list = list;
    /** @type {(values: string[]) => void} */
    this.onChange = () => {};
    this.what = what;
    /** @type {Set<string>} */
    this.values = new Set(this.#boxes().filter((box) => box.checked).map((box) => box.value));
    list.addEventListener("change", (event) => {
      const box = event.target;
      if (!(box instanceof HTMLInputElement) || !box.matches("[data-pick]")) return;
      if (box.checked) this.values.add(box.value);
      else this.values.delete(box.value);
      this.#show();
    });
    list.addEventListener("click", (event) => {
      if (!(event.target instanceof Element) || !event.target.closest("[data-chosen-clear]")) return;
      this.values.clear();
      this.redraw();
    });
    this.redraw();
  }

  /** After the server drew the list: what was ticked and is still there is ticked again. */
  redraw() {
    const boxes = this.#boxes();
    const there = new Set(boxes.map((box) => box.value));
    for (const value of this.values) if (!there.has(value)) this.values.delete(value);
    for (const box of boxes) box.checked = this.values.has(box.value);
    this.#show();
  }

  #boxes() {
    return /** @type {HTMLInputElement[]} */ ([...this.list.querySelectorAll("[data-pick]")]);
  }

  #show() {
    this.onChange([...this.values]);
    const bar = this.list.querySelector("[data-chosen]");
    if (!(bar instanceof HTMLElement)) return;
    bar.hidden = this.values.size === 0;
    bar.querySelector("[data-chosen-words]").textContent = `${plural(this.values.size, this.what)} chosen`;
  }
}
