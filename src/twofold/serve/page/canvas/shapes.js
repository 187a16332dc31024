/** Shapes on rasters: strokes, rectangles, polygons; and whole holes turned over, grown and shrunk. */

import { FULL, Raster, TILE } from "./raster.js";

/**
 * Fill the stroke of a round brush from one point to the next; its radius may change on the way.
 * @param {import("./raster.js").RasterEdit} edit
 * @param {{x: number, y: number, radius: number}} from in picture pixels
 * @param {{x: number, y: number, radius: number}} to in picture pixels
 * @param {number} level 255 paints, 0 erases
 */
export function stroke(edit, from, to, level) {
  const length = Math.hypot(to.x - from.x, to.y - from.y);
  const [across, down] = length ? [(from.y - to.y) / length, (to.x - from.x) / length] : [0, 0];
  const sides = length
    ? [
        { x: from.x + across * from.radius, y: from.y + down * from.radius },
        { x: to.x + across * to.radius, y: to.y + down * to.radius },
        { x: to.x - across * to.radius, y: to.y - down * to.radius },
        { x: from.x - across * from.radius, y: from.y - down * from.radius },
      ]
    : [];
  const top = Math.floor(Math.min(from.y - from.radius, to.y - to.radius));
  const bottom = Math.ceil(Math.max(from.y + from.radius, to.y + to.radius));
  for (let y = Math.max(top, 0); y < Math.min(bottom, edit.raster.height); y++) {
    const middle = y + 0.5;
    let [left, right] = [Infinity, -Infinity];
    for (const end of [from, to]) {
      const half = end.radius ** 2 - (middle - end.y) ** 2;
      if (half < 0) continue;
      left = Math.min(left, end.x - Math.sqrt(half));
      right = Math.max(right, end.x + Math.sqrt(half));
    }
    for (const x of crossings(sides, middle)) {
      left = Math.min(left, x.at);
      right = Math.max(right, x.at);
    }
    if (left <= right) edit.span(y, Math.ceil(left - 0.5), Math.floor(right - 0.5) + 1, level);
  }
  // However thin the brush, the pixel under its tip is touched.
  edit.span(Math.floor(to.y), Math.floor(to.x), Math.floor(to.x) + 1, level);
}

/**
 * Raise a soft stroke: full in the middle, falling to nothing towards the radius.
 * @param {import("./raster.js").RasterEdit} edit
 * @param {{x: number, y: number, radius: number}} from in picture pixels
 * @param {{x: number, y: number, radius: number}} to in picture pixels
 * @param {number} hardness share of the radius that is full, 0 to 1
 */
export function softStroke(edit, from, to, hardness = 0.5) {
  const reach = Math.max(from.radius, to.radius, 1);
  const [across, down] = [to.x - from.x, to.y - from.y];
  const square = across * across + down * down;
  edit.raise(
    Math.floor(Math.min(from.x, to.x) - reach),
    Math.floor(Math.min(from.y, to.y) - reach),
    Math.ceil(Math.max(from.x, to.x) + reach),
    Math.ceil(Math.max(from.y, to.y) + reach),
    (column, row) => {
      const [x, y] = [column + 0.5 - from.x, row + 0.5 - from.y];
      const along = square ? Math.min(1, Math.max(0, (x * across + y * down) / square)) : 0;
      const radius = Math.max(1, from.radius + along * (to.radius - from.radius));
      const distance = Math.hypot(x - along * across, y - along * down) / radius;
      if (distance >= 1) return 0;
      if (distance <= hardness) return 255;
      const share = (1 - distance) / (1 - hardness);
      return Math.round(255 * share * share * (3 - 2 * share));
    },
  );
}

/**
 * Fill a rectangle between two corners; pixels that it covers by half or more.
 * @param {import("./raster.js").RasterEdit} edit
 */
export function rectangle(edit, first, second, level) {
  const [left, right] = [Math.min(first.x, second.x), Math.max(first.x, second.x)].map(Math.round);
  const [top, bottom] = [Math.min(first.y, second.y), Math.max(first.y, second.y)].map(Math.round);
  for (let y = Math.max(top, 0); y < Math.min(bottom, edit.raster.height); y++) {
    edit.span(y, left, right, level);
  }
}

/**
 * Fill a closed outline; what it goes around twice is inside as well.
 * @param {import("./raster.js").RasterEdit} edit
 * @param {{x: number, y: number}[]} points in picture pixels
 */
export function polygon(edit, points, level) {
  const ys = points.map((point) => point.y);
  const top = Math.max(0, Math.floor(Math.min(...ys)));
  const bottom = Math.min(edit.raster.height, Math.ceil(Math.max(...ys)));
  for (let y = top; y < bottom; y++) {
    let [turns, from] = [0, 0];
    for (const { at, turn } of crossings(points, y + 0.5).sort((a, b) => a.at - b.at)) {
      if (turns === 0) from = at;
      turns += turn;
      if (turns === 0) edit.span(y, Math.ceil(from - 0.5), Math.floor(at - 0.5) + 1, level);
    }
  }
}

/** Where a closed outline crosses a row, and whether downwards (1) or upwards (-1). */
function crossings(points, y) {
  const found = [];
  for (let index = 0; index < points.length; index++) {
    const [a, b] = [points[index], points[(index + 1) % points.length]];
    if (a.y <= y === b.y <= y) continue;
    found.push({ at: a.x + ((y - a.y) / (b.y - a.y)) * (b.x - a.x), turn: a.y <= y ? 1 : -1 });
  }
  return found;
}

/**
 * What was hole becomes picture, and the other way round.
 * @param {Raster} raster of 0 and 255
 * @returns {Raster}
 */
export function inverted(raster) {
  const tiles = raster.tiles.map((tile, index) => {
    const [column, row] = [index % raster.columns, Math.floor(index / raster.columns)];
    const [width, height] = [raster.width - column * TILE, raster.height - row * TILE];
    if (width >= TILE && height >= TILE) {
      if (tile === null) return FULL;
      return tile === FULL ? null : tile.map((level) => 255 - level);
    }
    const turned = new Uint8Array(TILE * TILE);
    let any = 0;
    for (let y = 0; y < Math.min(height, TILE); y++) {
      for (let x = 0; x < Math.min(width, TILE); x++) {
        any |= turned[(y << 8) | x] = tile ? 255 - tile[(y << 8) | x] : 255;
      }
    }
    return any ? turned : null;
  });
  return new Raster(raster.width, raster.height, tiles);
}

/**
 * Grow a hole by a distance in all directions.
 * @param {Raster} raster of 0 and 255
 * @param {number} distance in pixels, at least 1
 * @returns {Raster}
 */
export function grown(raster, distance) {
  return spread(raster, distance, 255);
}

/**
 * Shrink a hole by a distance from all its edges; the edge of the picture is none.
 * @param {Raster} raster of 0 and 255
 * @param {number} distance in pixels, at least 1
 * @returns {Raster}
 */
export function shrunk(raster, distance) {
  return spread(raster, distance, 0);
}

/** Stamp a disc of a level around each pixel of that level that touches the other one. */
function spread(raster, distance, level) {
  const { left, top, right, bottom, count } = raster.summary;
  if (!count) return raster;
  // One pixel around the hole, within the picture: there lies the outer boundary.
  const box = {
    left: Math.max(left - 1, 0),
    top: Math.max(top - 1, 0),
    right: Math.min(right + 1, raster.width),
    bottom: Math.min(bottom + 1, raster.height),
  };
  const [width, height] = [box.right - box.left, box.bottom - box.top];
  const levels = raster.crop(box.left, box.top, width, height);
  const halves = [];
  for (let down = -distance; down <= distance; down++) {
    halves.push(Math.floor(Math.sqrt(distance * distance - down * down)));
  }
  const edit = raster.edit();
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const place = y * width + x;
      if (levels[place] !== level) continue;
      const touches =
        (x > 0 && levels[place - 1] !== level) ||
        (x + 1 < width && levels[place + 1] !== level) ||
        (y > 0 && levels[place - width] !== level) ||
        (y + 1 < height && levels[place + width] !== level);
      // A hole that ends at the edge of its box without touching the other level ends at the picture's edge.
      if (!touches) continue;
      const [column, row] = [box.left + x, box.top + y];
      halves.forEach((half, index) => {
        edit.span(row + index - distance, column - half, column + half + 1, level);
      });
    }
  }
  return edit.commit();
}
