/** Draw a photo with layers on top, at any zoom. */

import { patchOf } from "./patches.js";

/**
 * @typedef {object} Camera from picture pixels to canvas pixels: x * scale + left
 * @property {number} scale
 * @property {number} left
 * @property {number} top
 *
 * @typedef {object} Scene
 * @property {import("./photo.js").Photo} photo
 * @property {import("../core/state.js").Layer[]} layers that were kept
 * @property {import("../core/state.js").Layer[]} shown on top of them: an answer, or several combined
 * @property {number | null} divider picture column left of which nothing is shown on top
 * @property {boolean} [quick] for a moment, being fast matters more than being smooth
 */

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Camera} camera
 * @param {Scene} scene
 */
export function drawScene(context, camera, scene) {
  const { photo, layers, shown, divider, quick } = scene;
  const { scale, left, top } = camera;
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, context.canvas.width, context.canvas.height);
  context.setTransform(scale, 0, 0, scale, left, top);
  context.imageSmoothingEnabled = scale < 3; // from there on, single pixels are to be seen
  context.imageSmoothingQuality = quick ? "low" : "high";
  const enough = scale <= photo.preview.width / photo.width;
  context.drawImage(enough ? photo.preview : photo.bitmap, 0, 0, photo.width, photo.height);
  for (const layer of layers) drawLayer(context, layer);
  if (!shown.length) return;
  context.save();
  if (divider !== null) {
    context.beginPath();
    context.rect(divider, 0, photo.width - divider, photo.height);
    context.clip();
  }
  for (const layer of shown) drawLayer(context, layer);
  context.restore();
}

function drawLayer(context, layer) {
  context.drawImage(patchOf(layer), layer.sample.left, layer.sample.top);
}

/**
 * The part of a picture to show on a thumbnail: the hole and some of what is around it.
 * @param {{left: number, top: number, right: number, bottom: number}} box of the hole
 * @param {{width: number, height: number}} photo
 * @param {number} side of the square thumbnail, in canvas pixels
 * @returns {Camera}
 */
export function closeUp(box, photo, side) {
  const wanted = Math.max(box.right - box.left, box.bottom - box.top, 48) * 1.4;
  const size = Math.min(wanted, photo.width, photo.height); // the picture covers all of the square
  const place = (from, to, whole) => Math.min(Math.max((from + to - size) / 2, 0), whole - size);
  const scale = side / size;
  const [left, top] = [place(box.left, box.right, photo.width), place(box.top, box.bottom, photo.height)];
  return { scale, left: -left * scale, top: -top * scale };
}
