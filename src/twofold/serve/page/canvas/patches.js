/** What the canvas needs of rasters and layers: tiles as white with alpha, answers cut out by their masks. */

import { Cache } from "./cache.js";
import { FULL, TILE } from "./raster.js";

const tileImages = new Cache(96 * 2 ** 20);
const patches = new Cache(256 * 2 ** 20);

/** @returns {HTMLCanvasElement} an empty canvas */
export function canvasOf(width, height) {
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, width);
  canvas.height = Math.max(1, height);
  return canvas;
}

/**
 * A tile as a picture: white, with the levels as alpha.
 * @param {Uint8Array} tile
 * @returns {HTMLCanvasElement}
 */
export function tileImage(tile) {
  return tileImages.get(tile, () => paint(canvasOf(TILE, TILE), tile), TILE * TILE * 4);
}

/** Bring the picture of a tile up to date that is being written to. */
export function refreshTile(tile) {
  const canvas = tileImages.peek(tile);
  if (canvas) paint(canvas, tile);
}

function paint(canvas, tile) {
  const data = new Uint32Array(TILE * TILE);
  for (let place = 0; place < tile.length; place++) data[place] = (tile[place] << 24) | 0xffffff;
  const pixels = new ImageData(new Uint8ClampedArray(data.buffer), TILE, TILE);
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  return canvas;
}

/**
 * A layer's answer with everything transparent that it does not give; lies where its sample lies.
 * @param {import("../core/state.js").Layer} layer
 * @returns {HTMLCanvasElement}
 */
export function patchOf(layer) {
  const { left, top, width, height } = layer.sample;
  const make = () => {
    const canvas = canvasOf(width, height);
    const context = canvas.getContext("2d");
    const { columns } = layer.hole;
    for (let row = top >> 8; row << 8 < top + height; row++) {
      for (let column = left >> 8; column << 8 < left + width; column++) {
        cut(context, layer, row * columns + column);
      }
    }
    return canvas;
  };
  return patches.get(layer, make, width * height * 4);
}

/**
 * Bring a layer's patch up to date after some tiles of its mask changed.
 * @param {import("../core/state.js").Layer} layer
 * @param {number[]} indices of tiles
 */
export function refreshPatch(layer, indices) {
  const context = patches.peek(layer)?.getContext("2d");
  if (context) for (const index of indices) cut(context, layer, index);
}

/** Draw one tile of a layer: the answer, where hole and mask let it through. */
function cut(context, layer, index) {
  const { sample, hole, mask } = layer;
  const x = (index % hole.columns) * TILE - sample.left;
  const y = Math.floor(index / hole.columns) * TILE - sample.top;
  const [left, top] = [Math.max(x, 0), Math.max(y, 0)];
  const [width, height] = [Math.min(x + TILE, sample.width) - left, Math.min(y + TILE, sample.height) - top];
  if (width <= 0 || height <= 0) return;
  context.clearRect(left, top, width, height);
  const tiles = mask ? [hole.tiles[index], mask.tiles[index]] : [hole.tiles[index]];
  if (tiles.includes(null)) return;
  context.save();
  context.beginPath();
  context.rect(left, top, width, height);
  context.clip();
  context.drawImage(sample.bitmap, left, top, width, height, left, top, width, height);
  context.globalCompositeOperation = "destination-in";
  for (const tile of tiles) if (tile !== FULL) context.drawImage(tileImage(tile), x, y);
  context.restore();
}
