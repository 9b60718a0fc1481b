/** Rows of a datastore and a path in it, or of a web address: added, removed, chosen in the picker. */

export class PathRows {
  /**
   * @param {HTMLElement} element Holds `[data-path-rows]` and the button that adds one.
   * @param {{picker: import("./picker.js").Picker, onChange: () => void}} options
   */
  constructor(element, { picker, onChange }) {
    this.list = /** @type {HTMLElement} */ (element.querySelector("[data-path-rows]"));
    this.template = /** @type {HTMLTemplateElement} */ (document.querySelector("[data-path-template]"));
    this.picker = picker;
    this.onChange = onChange;
    element.addEventListener("click", (event) => this.#click(event));
    element.addEventListener("input", (event) => {
      const row = event.target instanceof Element ? /** @type {HTMLElement|null} */ (event.target.closest("[data-path-row]")) : null;
      if (!row) return;
      this.#show(row);
      onChange();
    });
    for (const row of this.rows) this.#show(row);
  }

  get rows() {
    return /** @type {HTMLElement[]} */ ([...this.list.querySelectorAll("[data-path-row]")]);
  }

  /** What the rows say, as the API wants it. */
  get paths() {
    return this.rows.map((row) => ({
      datastore_id: isWeb(row) ? null : Number(field(row, "datastore").value),
      path: field(row, "path").value,
    }));
  }

  /** Whether anything is typed. */
  get isEmpty() {
    return this.rows.every((row) => !field(row, "path").value.trim());
  }

  /** @param {{loc: (string|number)[], message: string}[]} problems */
  tell(problems) {
    this.rows.forEach((row, number) => {
      const messages = problems.filter(({ loc }) => loc[0] === "paths" && loc[1] === number).map(({ message }) => message);
      field(row, "path").classList.toggle("is-invalid", messages.length > 0);
      row.querySelector("[data-path-problem]").replaceChildren(...messages.map(words));
    });
  }

  #click(event) {
    const target = event.target instanceof Element ? event.target : null;
    const row = /** @type {HTMLElement|null} */ (target?.closest("[data-path-row]"));
    if (target?.closest("[data-add-path]")) this.#add();
    else if (target?.closest("[data-remove-path]")) {
      const next = this.rows[this.rows.indexOf(row) + 1] ?? this.rows[this.rows.indexOf(row) - 1];
      row.remove();
      field(next, "path").focus();
      this.onChange();
    } else if (target?.closest("[data-browse-path]")) {
      const store = /** @type {HTMLSelectElement} */ (row.querySelector("[name=datastore]"));
      this.picker.open({ id: store.value, name: store.selectedOptions[0]?.textContent ?? "" }, field(row, "path").value, (path) => {
        field(row, "path").value = path;
        this.onChange();
      });
    }
  }

  #add() {
    const last = this.rows.at(-1);
    this.list.append(this.template.content.cloneNode(true));
    const added = this.rows.at(-1);
    if (last) field(added, "datastore").value = field(last, "datastore").value;
    this.#show(added);
    field(added, "path").focus();
  }

  /** A web address has no folders to walk through. */
  #show(row) {
    const path = field(row, "path");
    row.classList.toggle("is-web", isWeb(row));
    row.dataset.placeholder ??= path.placeholder;
    path.placeholder = isWeb(row) ? "https://example.org/data.csv" : row.dataset.placeholder;
  }
}

const field = (row, name) => /** @type {HTMLInputElement} */ (row.querySelector(`[name=${name}]`));

const isWeb = (row) => field(row, "datastore").value === "web" || /^\s*[a-z][a-z0-9+.-]*:\/\//i.test(field(row, "path").value);

function words(message) {
  const line = document.createElement("div");
  line.textContent = message;
  return line;
}
