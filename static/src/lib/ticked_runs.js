/**
 * Two runs that are ticked in a list, to be compared: they stay ticked while the list moves on and page by page. Where
 * rows are chosen for more than that, those that are drawn count alone.
 */

const MOST = 2;

/** What is ticked after a click: a third one takes the place of the first. */
export function tickedAfter(ticked, number, isOn) {
  const others = ticked.filter((each) => each !== number);
  return isOn ? [...others, number].slice(-MOST) : others;
}

/** What the button says of them. */
export function compareWords(ticked) {
  if (ticked.length === 0) return "Compare";
  const [left, right] = [...ticked].sort((one, other) => Number(one) - Number(other));
  return right ? `Compare #${left} and #${right}` : `Compare #${left} and …`;
}

export class TickedRuns {
  /** @param {HTMLFormElement} form Goes to the comparison; a button somewhere on the page belongs to it. */
  constructor(form) {
    this.form = form;
    /** @type {string[]} */
    this.ticked = [];
    document.addEventListener("change", (event) => {
      const box = event.target;
      if (!(box instanceof HTMLInputElement) || !("tickRun" in box.dataset)) return;
      this.ticked = tickedAfter(this.ticked, box.value, box.checked);
      this.draw();
    });
    document.addEventListener("studio:drawn", () => this.draw()); // the server knows nothing of ticks
    form.addEventListener("submit", (event) => {
      event.preventDefault(); // those of another page of the list are in no field
      const [left, right] = [...this.ticked].sort((one, other) => Number(one) - Number(other));
      if (right) location.assign(`${form.action}?${new URLSearchParams({ left, right })}`);
    });
    for (const box of this.#boxes()) if (box.checked) this.ticked = tickedAfter(this.ticked, box.value, true); // the browser's own memory
    this.draw();
  }

  /** Where rows are chosen for more than this: two of them can be compared, and only two. */
  follow(chosen) {
    this.ticked = chosen.length <= MOST ? chosen : [];
    this.draw();
  }

  draw() {
    for (const box of this.#boxes()) box.checked = this.ticked.includes(box.value);
    for (const button of this.form.elements) {
      if (!(button instanceof HTMLButtonElement)) continue;
      button.disabled = this.ticked.length < MOST;
      const words = button.querySelector("span");
      if (words) words.textContent = compareWords(this.ticked);
    }
  }

  /** @returns {Iterable<HTMLInputElement>} */
  #boxes() {
    return document.querySelectorAll("input[data-tick-run]");
  }
}
