/** Which answers, or parts of answers, lie on top of the photo. */

import { join, Raster } from "../canvas/raster.js";

const whole = new WeakMap();

/**
 * All that an answer gives, as a layer; the same object every time.
 * @param {import("./fill.js").Round} round
 * @param {number} index of the answer
 * @returns {import("./state.js").Layer | null} null if it has not arrived
 */
export function answerLayer(round, index) {
  const sample = round.samples[index];
  if (!sample) return null;
  if (!whole.has(sample)) whole.set(sample, { answer: index, sample, hole: round.hole, mask: null });
  return whole.get(sample);
}

/**
 * The layers that are looked at on top of those that were kept.
 * @param {import("./state.js").Doc} doc
 * @param {import("./screen.js").Look} look
 * @param {import("./state.js").Draft | null} live a draft that is being painted right now
 * @returns {import("./state.js").Layer[]} none if no answer is looked at
 */
export function shownLayers(doc, look, live = null) {
  if (look.mode !== "answer" || !doc.round) return [];
  if (look.shown !== "mix") return [answerLayer(doc.round, look.shown)].filter(Boolean);
  const draft = live ?? doc.draft ?? { base: look.combining?.base ?? 0, layers: [] };
  return [answerLayer(doc.round, draft.base), ...draft.layers].filter(Boolean);
}

/**
 * Everything that some layers may change.
 * @param {import("./state.js").Layer[]} layers at least one
 * @returns {Raster}
 */
export function wholeHole(layers) {
  const holes = [...new Set(layers.map((layer) => layer.hole))];
  return holes.reduce((sum, hole) => join(sum, hole, "union"));
}

/**
 * What a layer gives: its hole, where the combine brush let it through.
 * @param {import("./state.js").Layer} layer
 * @returns {Raster} 255 takes the answer, levels between blend
 */
export function layerMask(layer) {
  return layer.mask ? join(layer.hole, layer.mask, "overlap") : layer.hole;
}

/** An empty raster of a photo's size. */
export function emptyRaster(photo) {
  return new Raster(photo.width, photo.height);
}
