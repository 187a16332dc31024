/**
 * A picture-sized map of levels from 0 to 255, kept in tiles.
 *
 * Holes are rasters (255 = missing), and so are the soft masks of the combine brush. A raster never
 * changes: an edit copies the tiles that it touches and shares all others. So a history of hundreds
 * of steps on a large photo costs no more than what was painted.
 */

export const TILE = 256;
const AREA = TILE * TILE;

/** The tile that is 255 throughout; shared by all rasters and never written to. */
export const FULL = new Uint8Array(AREA).fill(255);

/** Bounding box and number of pixels above 0, by tile. */
const measures = new WeakMap();

/** An immutable raster. Pixels of border tiles beyond the picture are always 0. */
export class Raster {
  #summary;

  /**
   * @param {number} width of the picture, in pixels
   * @param {number} height of the picture, in pixels
   * @param {(Uint8Array | null)[] | null} tiles row by row; null is a tile of zeros
   */
  constructor(width, height, tiles = null) {
    this.width = width;
    this.height = height;
    this.columns = Math.ceil(width / TILE);
    this.rows = Math.ceil(height / TILE);
    this.tiles = tiles ?? new Array(this.columns * this.rows).fill(null);
  }

  /** The level at a pixel; 0 outside the picture. */
  at(x, y) {
    if (x < 0 || y < 0 || x >= this.width || y >= this.height) return 0;
    const tile = this.tiles[(y >> 8) * this.columns + (x >> 8)];
    return tile ? tile[((y & 255) << 8) | (x & 255)] : 0;
  }

  /**
   * Where the pixels above 0 lie and how many they are; right and bottom are exclusive.
   * @returns {{left: number, top: number, right: number, bottom: number, count: number}}
   */
  get summary() {
    this.#summary ??= summarize(this);
    return this.#summary;
  }

  /** A box that holds all pixels above 0: exactly, or a little more while the raster is being edited. */
  get extent() {
    return this.reach ?? this.summary;
  }

  get isEmpty() {
    return this.tiles.every((tile) => tile === null); // tiles of zeros are always null
  }

  /**
   * A dense copy of a part, row by row; what lies outside the picture is 0.
   * @returns {Uint8Array} of width times height levels
   */
  crop(left, top, width, height) {
    const levels = new Uint8Array(width * height);
    forTiles(this, left, top, left + width, top + height, (tile, x, y, from, to, first, last) => {
      if (!tile) return;
      for (let row = first; row < last; row++) {
        const start = (row - y) << 8;
        levels.set(tile.subarray(start + from - x, start + to - x), (row - top) * width + from - left);
      }
    });
    return levels;
  }

  /** @returns {RasterEdit} a change of this raster, which itself stays as it is */
  edit() {
    return new RasterEdit(this);
  }
}

/** A raster that is being changed; `raster` shows it while it lasts (only its `summary` must wait). */
export class RasterEdit {
  /** @param {Raster} before */
  constructor(before) {
    this.before = before;
    this.raster = new Raster(before.width, before.height, before.tiles.slice());
    this.reach = this.raster.reach = { ...before.summary };
    this.owned = new Uint8Array(before.tiles.length);
    this.fresh = new Set();
  }

  /** Set the pixels from `from` up to and without `to` of row `y`; parts outside the picture are left out. */
  span(y, from, to, level) {
    const { width, height, columns } = this.raster;
    if (y < 0 || y >= height) return;
    from = Math.max(from, 0);
    to = Math.min(to, width);
    if (from >= to) return;
    if (level) this.#extend(from, y, to, y + 1);
    const line = (y & 255) << 8;
    for (let column = from >> 8; from < to; column++) {
      const end = Math.min(to, (column + 1) << 8);
      const tile = this.#own((y >> 8) * columns + column, level);
      if (tile) tile.fill(level, line + (from & 255), line + ((end - 1) & 255) + 1);
      from = end;
    }
  }

  /**
   * Raise pixels of a part to what a function says, where that is more than they have.
   * @param {(x: number, y: number) => number} level of a pixel, 0 to 255
   */
  raise(left, top, right, bottom, level) {
    this.#extend(left, top, right, bottom);
    forTiles(this.raster, left, top, right, bottom, (_, x, y, from, to, first, last, index) => {
      const tile = this.#own(index, 255);
      if (!tile) return;
      for (let row = first; row < last; row++) {
        for (let column = from; column < to; column++) {
          const place = ((row - y) << 8) | (column - x);
          const wanted = level(column, row);
          if (wanted > tile[place]) tile[place] = wanted;
        }
      }
    });
  }

  #extend(left, top, right, bottom) {
    const { reach } = this;
    if (!reach.right) return void Object.assign(reach, { left, top, right, bottom });
    if (left < reach.left) reach.left = left;
    if (top < reach.top) reach.top = top;
    if (right > reach.right) reach.right = right;
    if (bottom > reach.bottom) reach.bottom = bottom;
  }

  /** The tiles that changed since this was last asked, by index. */
  takeFresh() {
    const indices = [...this.fresh];
    this.fresh.clear();
    return indices;
  }

  /** @returns {Raster} the result; `before` itself if no pixel differs from it. The edit is over. */
  commit() {
    let changed = false;
    this.owned.forEach((owned, index) => {
      if (!owned) return;
      const tile = plain(this.raster.tiles[index]);
      const old = this.before.tiles[index];
      if (tile === old || (tile && old && same(tile, old))) this.raster.tiles[index] = old;
      else {
        this.raster.tiles[index] = tile;
        changed = true;
      }
    });
    return changed ? new Raster(this.raster.width, this.raster.height, this.raster.tiles) : this.before;
  }

  /** The tile to write to; null if it holds that level already. */
  #own(index, level) {
    const tile = this.raster.tiles[index];
    if (!this.owned[index]) {
      if ((tile === null && level === 0) || (tile === FULL && level === 255)) return null;
      this.owned[index] = 1;
      this.raster.tiles[index] = tile ? tile.slice() : new Uint8Array(AREA);
    }
    this.fresh.add(index);
    return this.raster.tiles[index];
  }
}

/**
 * Join two rasters of one size, pixel by pixel.
 * @param {Raster} first
 * @param {Raster} second
 * @param {"union" | "overlap"} how the larger or the smaller level of each pixel
 * @returns {Raster}
 */
export function join(first, second, how) {
  const union = how === "union";
  const [absorbing, neutral] = union ? [FULL, null] : [null, FULL];
  const tiles = first.tiles.map((tile, index) => {
    const other = second.tiles[index];
    if (tile === other || other === neutral || tile === absorbing) return tile;
    if (tile === neutral || other === absorbing) return other;
    const pick = union ? Math.max : Math.min;
    return plain(tile.map((level, place) => pick(level, other[place])));
  });
  return new Raster(first.width, first.height, tiles);
}

/**
 * A raster from dense levels.
 * @param {number} width
 * @param {number} height
 * @param {(top: number, bottom: number) => Uint8Array} band gives the levels of some rows
 * @returns {Raster}
 */
export function rasterFrom(width, height, band) {
  const raster = new Raster(width, height);
  for (let row = 0; row < raster.rows; row++) {
    const top = row * TILE;
    const bottom = Math.min(top + TILE, height);
    const levels = band(top, bottom);
    for (let column = 0; column < raster.columns; column++) {
      const left = column * TILE;
      const right = Math.min(left + TILE, width);
      const tile = new Uint8Array(AREA);
      for (let y = top; y < bottom; y++) {
        const start = (y - top) * width;
        tile.set(levels.subarray(start + left, start + right), (y - top) << 8);
      }
      raster.tiles[row * raster.columns + column] = plain(tile);
    }
  }
  return raster;
}

/** Call a function for each tile that meets a part, with the part of the picture that they share. */
function forTiles(raster, left, top, right, bottom, visit) {
  left = Math.max(left, 0);
  top = Math.max(top, 0);
  right = Math.min(right, raster.width);
  bottom = Math.min(bottom, raster.height);
  if (left >= right || top >= bottom) return;
  for (let row = top >> 8; row << 8 < bottom; row++) {
    for (let column = left >> 8; column << 8 < right; column++) {
      const index = row * raster.columns + column;
      const [x, y] = [column << 8, row << 8];
      const [from, to] = [Math.max(left, x), Math.min(right, x + TILE)];
      visit(raster.tiles[index], x, y, from, to, Math.max(top, y), Math.min(bottom, y + TILE), index);
    }
  }
}

/** The shared form of a tile that has one level throughout. */
function plain(tile) {
  if (tile === null || tile === FULL) return tile;
  const level = tile[0];
  if ((level !== 0 && level !== 255) || !tile.every((other) => other === level)) return tile;
  return level ? FULL : null;
}

function same(first, second) {
  return first.every((level, place) => level === second[place]);
}

function summarize(raster) {
  const whole = { left: raster.width, top: raster.height, right: 0, bottom: 0, count: 0 };
  raster.tiles.forEach((tile, index) => {
    if (!tile) return;
    if (!measures.has(tile)) measures.set(tile, measure(tile));
    const part = measures.get(tile);
    if (!part.count) return;
    const [x, y] = [(index % raster.columns) * TILE, Math.floor(index / raster.columns) * TILE];
    whole.left = Math.min(whole.left, x + part.left);
    whole.top = Math.min(whole.top, y + part.top);
    whole.right = Math.max(whole.right, x + part.right);
    whole.bottom = Math.max(whole.bottom, y + part.bottom);
    whole.count += part.count;
  });
  return whole.count ? whole : { left: 0, top: 0, right: 0, bottom: 0, count: 0 };
}

function measure(tile) {
  const box = { left: TILE, top: TILE, right: 0, bottom: 0, count: 0 };
  for (let place = 0; place < AREA; place++) {
    if (!tile[place]) continue;
    const [x, y] = [place & 255, place >> 8];
    if (x < box.left) box.left = x;
    if (x >= box.right) box.right = x + 1;
    if (y < box.top) box.top = y;
    box.bottom = y + 1;
    box.count++;
  }
  return box;
}
