/** The document and its history: every step is a whole, immutable state that shares what did not change. */

import { Raster, TILE } from "../canvas/raster.js";

/**
 * @typedef {object} Layer what of one answer is taken, and where
 * @property {number} answer its index
 * @property {import("./fill.js").Sample} sample
 * @property {Raster} hole that was asked to be filled
 * @property {Raster | null} mask of the combine brush; null takes the whole hole
 *
 * @typedef {object} Draft answers that are being combined
 * @property {number} base index of the answer that is painted over
 * @property {Layer[]} layers on top of it, in order
 *
 * @typedef {object} Doc
 * @property {import("../canvas/photo.js").Photo | null} photo
 * @property {Raster | null} hole that is being painted
 * @property {Layer[]} layers that were kept, in order
 * @property {import("./fill.js").Round | null} round the answers at hand; they grow as they arrive
 * @property {Draft | null} draft
 *
 * @typedef {object} Step
 * @property {number} id
 * @property {string} label for the list of steps
 * @property {string} icon
 * @property {"hole" | "answer"} look what the step is about
 * @property {Doc} doc
 */

/** @type {Doc} */
const NOTHING = Object.freeze({ photo: null, hole: null, layers: [], round: null, draft: null });

const MOST_STEPS = 400;

/** Steps that can be undone, redone and jumped between. */
export class History {
  #listeners = [];
  #nextId = 0;

  /** @param {number} budget bytes that the steps may hold together before the oldest are let go */
  constructor(budget = 768 * 2 ** 20) {
    this.budget = budget;
    /** @type {Step[]} */
    this.steps = [];
    this.position = -1;
    this.saved = -1;
  }

  /** @returns {Doc} */
  get doc() {
    return this.steps[this.position]?.doc ?? NOTHING;
  }

  get canUndo() {
    return this.position > 0;
  }

  get canRedo() {
    return this.position < this.steps.length - 1;
  }

  /** Whether leaving would lose something. */
  get isUnsaved() {
    const step = this.steps[this.position];
    return Boolean(step && step.id !== this.saved && (step.doc.layers.length || step.doc.round || this.position > 0));
  }

  /**
   * Add a step after the present one; steps that were undone are gone.
   * @param {string} label
   * @param {string} icon
   * @param {Partial<Doc>} changes
   * @param {"hole" | "answer"} look
   * @returns {number} the step's id
   */
  push(label, icon, changes, look = "hole") {
    const doc = Object.freeze({ ...this.doc, ...changes });
    this.steps.length = this.position + 1;
    this.steps.push({ id: this.#nextId, label, icon, look, doc });
    this.position += 1;
    this.#shed();
    this.#tell();
    return this.#nextId++;
  }

  undo() {
    this.jump(this.position - 1);
  }

  redo() {
    this.jump(this.position + 1);
  }

  /** @param {number} position of a step, from 0; others are left out */
  jump(position) {
    if (position < 0 || position >= this.steps.length || position === this.position) return;
    this.position = position;
    this.#tell();
  }

  /** Take back a fill that came to nothing, also from the steps made since. */
  forget(id) {
    const at = this.steps.findIndex((step) => step.id === id);
    if (at < 0) return;
    const round = this.steps[at].doc.round;
    const { round: earlier = null, draft = null } = this.steps[at - 1]?.doc ?? {};
    this.steps.splice(at, 1);
    for (const step of this.steps.slice(at)) {
      if (step.doc.round === round) step.doc = Object.freeze({ ...step.doc, round: earlier, draft });
    }
    if (this.position >= at) this.position -= 1;
    this.#tell();
  }

  /** @returns {boolean} whether any step still shows this round */
  holds(round) {
    return this.steps.some((step) => step.doc.round === round);
  }

  /** A step is safe on disk; the present one if none is given. */
  markSaved(id = this.steps[this.position]?.id ?? -1) {
    this.saved = id;
  }

  /** @param {() => void} listener called after every change */
  subscribe(listener) {
    this.#listeners.push(listener);
  }

  #tell() {
    for (const listener of this.#listeners) listener();
  }

  #shed() {
    let extra = Math.max(0, this.steps.length - MOST_STEPS);
    while (extra < this.steps.length - 2 && bytes(this.steps.slice(extra)) > this.budget) {
      extra += Math.ceil((this.steps.length - extra) / 8);
    }
    extra = Math.min(extra, this.position);
    this.steps.splice(0, extra);
    this.position -= extra;
  }
}

/** About how much memory some steps hold together; what they share counts once. */
function bytes(steps) {
  const seen = new Set();
  let sum = 0;
  const once = (thing, size) => {
    if (!thing || seen.has(thing)) return;
    seen.add(thing);
    sum += size();
  };
  const raster = (given) => given?.tiles.forEach((tile) => once(tile, () => TILE * TILE));
  const sample = (given) => once(given, () => 4 * given.width * given.height + given.blob.size);
  for (const { doc } of steps) {
    once(doc.photo, () => 4 * doc.photo.width * doc.photo.height);
    raster(doc.hole);
    doc.round?.samples.forEach((given) => given && sample(given));
    for (const layer of [...doc.layers, ...(doc.draft?.layers ?? [])]) {
      sample(layer.sample);
      raster(layer.mask);
    }
  }
  return sum;
}
