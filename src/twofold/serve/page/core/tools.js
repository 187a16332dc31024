/** The tools: what pointer, pen or keys draw becomes a change of the hole, or of the combine brush's mask. */

import { emptyRaster } from "./layers.js";
import { refreshPatch, refreshTile } from "../canvas/patches.js";
import { polygon, rectangle, softStroke, stroke } from "../canvas/shapes.js";

const NAMES = { brush: "Brush", eraser: "Eraser", rectangle: "Rectangle", lasso: "Lasso" };

/**
 * @typedef {object} Point
 * @property {number} x in picture pixels
 * @property {number} y in picture pixels
 * @property {number} [pressure] of a pen, 0 to 1; 1 for anything else
 */

export class Painter {
  #stroke = null;

  /**
   * @param {import("./state.js").History} history
   * @param {import("./screen.js").Screen} screen
   * @param {import("../canvas/view.js").View} view
   */
  constructor(history, screen, view) {
    Object.assign(this, { history, screen, view });
  }

  get isDrawing() {
    return this.#stroke !== null;
  }

  /** The draft that is being painted right now, or null. @returns {import("./state.js").Draft | null} */
  get live() {
    return this.#stroke?.draft ?? null;
  }

  /**
   * Put the tool down.
   * @param {Point} point
   * @param {boolean} turned add and remove change places
   * @returns {boolean} whether there is something to draw with here
   */
  begin(point, turned = false) {
    const { look } = this.screen;
    const { doc } = this.history;
    if (this.#stroke || !doc.photo) return false;
    if (look.combining) return this.#beginMix(point);
    if (look.mode !== "hole" || look.tool === "hand") return false;
    const removes = turned !== (look.tool === "eraser" || (look.removing && look.tool !== "brush"));
    const shared = { tool: look.tool, level: removes ? 0 : 255, last: point, points: [point] };
    this.#stroke = { ...shared, edit: doc.hole.edit() };
    if (this.#isFreehand) this.view.overlay.hole = this.#stroke.edit.raster;
    this.extend([point]);
    return true;
  }

  #beginMix(point) {
    const { combining } = this.screen.look;
    const { doc } = this.history;
    const sample = doc.round?.samples[combining.source];
    if (!sample) return false;
    const draft = doc.draft ?? { base: combining.base, layers: [] };
    const top = draft.layers.at(-1);
    const goesOn = top?.answer === combining.source;
    const edit = (goesOn ? top.mask : emptyRaster(doc.photo)).edit();
    const layer = { answer: combining.source, sample, hole: doc.round.hole, mask: edit.raster };
    const below = goesOn ? draft.layers.slice(0, -1) : draft.layers;
    this.#stroke = { tool: "mix", edit, layer, last: point, points: [point] };
    this.#stroke.draft = { base: draft.base, layers: [...below, layer] };
    this.extend([point]);
    return true;
  }

  /** @param {Point[]} points that the tool went to, in order */
  extend(points) {
    const drawn = this.#stroke;
    if (!drawn) return;
    for (const point of points) {
      const [from, to] = [this.#tip(drawn.last), this.#tip(point)];
      if (drawn.tool === "mix") softStroke(drawn.edit, from, to);
      else if (this.#isFreehand) stroke(drawn.edit, from, to, drawn.level);
      else if (drawn.tool === "lasso") drawn.points.push(point);
      else drawn.points[1] = point;
      drawn.last = point;
    }
    if (!this.#isFreehand) {
      this.view.overlay.shape = drawn.tool === "lasso" ? drawn.points : corners(drawn.points);
      this.view.redraw("hole");
      return;
    }
    const fresh = drawn.edit.takeFresh();
    for (const index of fresh) refreshTile(drawn.edit.raster.tiles[index]);
    if (drawn.layer) refreshPatch(drawn.layer, fresh);
    this.view.redraw(drawn.layer ? "all" : "hole");
    if (drawn.layer) this.onlive();
  }

  /** Called while the combine brush is down; the scene has to show the live draft. */
  onlive() {}

  /** Lift the tool: what was drawn becomes a step, unless it changed nothing. */
  finish() {
    const drawn = this.#stroke;
    if (!drawn) return;
    const { edit, tool, level, points } = drawn;
    this.#clear();
    if (tool === "rectangle") rectangle(edit, points[0], points[1] ?? points[0], level);
    if (tool === "lasso" && points.length > 2) polygon(edit, points, level);
    const after = edit.commit();
    if (after === edit.before) return this.screen.set({});
    if (tool === "mix") {
      const layers = [...drawn.draft.layers.slice(0, -1), { ...drawn.layer, mask: after }];
      const label = `Painted with answer ${drawn.layer.answer + 1}`;
      this.history.push(label, "combine", { draft: { base: drawn.draft.base, layers } }, "answer");
    } else {
      const removed = level === 0 && tool !== "eraser" ? ", removed" : "";
      this.history.push(`${NAMES[tool]}${removed}`, tool, { hole: after });
    }
  }

  /** Lift the tool and forget what it drew. */
  abandon() {
    if (!this.#stroke) return;
    this.#clear();
    this.screen.set({});
  }

  #clear() {
    this.#stroke = null;
    this.view.overlay.shape = null;
    this.view.redraw();
  }

  get #isFreehand() {
    return ["brush", "eraser", "mix"].includes(this.#stroke.tool);
  }

  /** A light pen makes a thinner stroke. */
  #tip({ x, y, pressure = 1 }) {
    return { x, y, radius: Math.max(0.5, (this.screen.look.size / 2) * (0.35 + 0.65 * pressure)) };
  }
}

function corners([first, second = first]) {
  return [first, { x: second.x, y: first.y }, second, { x: first.x, y: second.y }];
}
