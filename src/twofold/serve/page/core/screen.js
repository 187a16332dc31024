/** What is on the screen right now and is no part of the document: tool, size, which answer is looked at. */

/**
 * @typedef {object} Look
 * @property {"brush" | "eraser" | "rectangle" | "lasso" | "hand"} tool
 * @property {boolean} removing rectangle and lasso take away instead of adding
 * @property {number} size diameter of the brush in picture pixels
 * @property {"hole" | "answer"} mode whether the hole is painted or answers are looked at
 * @property {number | "mix"} shown index of the answer on the stage; "mix" is the combined one
 * @property {{base: number, source: number} | null} combining answer painted over, answer painted with
 * @property {boolean} compare before and after, on both sides of a divider
 * @property {number} divider picture column
 * @property {boolean} structure show what the model saw
 * @property {boolean} saving a download is being made
 */

export class Screen {
  #listeners = [];

  constructor() {
    /** @type {Look} */
    this.look = {
      tool: "brush",
      removing: false,
      size: 40,
      mode: "hole",
      shown: 0,
      combining: null,
      compare: false,
      divider: 0,
      structure: false,
      saving: false,
    };
  }

  /** @param {Partial<Look>} changes */
  set(changes) {
    this.look = { ...this.look, ...changes };
    for (const listener of this.#listeners) listener();
  }

  /** @param {() => void} listener called after every change */
  subscribe(listener) {
    this.#listeners.push(listener);
  }
}
