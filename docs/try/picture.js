// The photo with its hole: what is painted, what was before, and how the canvas shows it.

const MOST_STEPS = 20;
const LONGEST = 2048; // larger photos are scaled down to this, for the memory of phones

export class Picture {
  #canvas;
  #screen;
  #shown = null; // ImageData with the hole tinted
  #steps = []; // earlier {pixels, hole}

  /** Of a canvas; empty until a photo is opened. */
  constructor(canvas) {
    this.#canvas = canvas;
    this.#screen = canvas.getContext("2d", { willReadFrequently: true });
    this.pixels = null; // ImageData of the picture as it is; replaced, never changed
    this.first = null; // the photo that was opened
    this.hole = null; // Uint8Array, 1 = missing
  }

  get width() {
    return this.#canvas.width;
  }

  get height() {
    return this.#canvas.height;
  }

  get hasHole() {
    return this.hole?.includes(1) ?? false;
  }

  get hasSteps() {
    return this.#steps.length > 0;
  }

  /** Take a photo, scaled down if it is very large. */
  open(bitmap) {
    const scale = Math.min(1, LONGEST / Math.max(bitmap.width, bitmap.height));
    this.#canvas.width = Math.max(1, Math.round(bitmap.width * scale));
    this.#canvas.height = Math.max(1, Math.round(bitmap.height * scale));
    this.#screen.imageSmoothingQuality = "high";
    this.#screen.drawImage(bitmap, 0, 0, this.width, this.height);
    this.pixels = this.first = this.#screen.getImageData(0, 0, this.width, this.height);
    this.hole = new Uint8Array(this.width * this.height);
    this.#steps = [];
    this.show();
  }

  /** Draw it with its hole tinted, or the photo as it was opened. */
  show(before = false) {
    if (!this.pixels) return;
    this.#shown = new ImageData(new Uint8ClampedArray(this.pixels.data), this.width, this.height);
    for (let place = this.hole.indexOf(1); place >= 0; place = this.hole.indexOf(1, place + 1)) this.#tint(place);
    this.#screen.putImageData(before ? this.first : this.#shown, 0, 0);
  }

  /** Mark a line of round spots between two points {x, y} as missing. */
  paint(from, to, radius) {
    const steps = Math.max(1, Math.ceil(Math.hypot(to.x - from.x, to.y - from.y) / Math.max(1, radius / 4)));
    for (let step = 0; step <= steps; step++) {
      this.#dab(from.x + ((to.x - from.x) * step) / steps, from.y + ((to.y - from.y) * step) / steps, radius);
    }
    const [left, top] = [Math.min(from.x, to.x) - radius - 1, Math.min(from.y, to.y) - radius - 1];
    const [right, bottom] = [Math.max(from.x, to.x) + radius + 1, Math.max(from.y, to.y) + radius + 1];
    this.#screen.putImageData(this.#shown, 0, 0, Math.floor(left), Math.floor(top), Math.ceil(right - left) + 1, Math.ceil(bottom - top) + 1);
  }

  /** Keep what is there for `undo`; call it before a change. */
  remember() {
    this.#steps.push({ pixels: this.pixels, hole: this.hole.slice() });
    if (this.#steps.length > MOST_STEPS) this.#steps.shift();
  }

  undo() {
    Object.assign(this, this.#steps.pop());
  }

  clear() {
    this.remember();
    this.hole.fill(0);
  }

  /** Take a filled picture, RGBA; nothing is missing then. */
  replace(levels) {
    this.remember();
    this.pixels = new ImageData(levels, this.width, this.height);
    this.hole.fill(0);
  }

  /** The picture as a file; PNG keeps every pixel. */
  file() {
    const sheet = new OffscreenCanvas(this.width, this.height);
    sheet.getContext("2d").putImageData(this.pixels, 0, 0);
    return sheet.convertToBlob({ type: "image/png" });
  }

  #dab(x, y, radius) {
    const { width, height, hole } = this;
    for (let row = Math.max(0, Math.floor(y - radius)); row < Math.min(height, y + radius); row++) {
      for (let column = Math.max(0, Math.floor(x - radius)); column < Math.min(width, x + radius); column++) {
        const place = row * width + column;
        if (hole[place] || (row + 0.5 - y) ** 2 + (column + 0.5 - x) ** 2 > radius ** 2) continue;
        hole[place] = 1;
        this.#tint(place);
      }
    }
  }

  #tint(place) {
    const levels = this.#shown.data;
    levels[4 * place] = 235;
    levels[4 * place + 1] = 60 + (levels[4 * place + 1] >> 2);
    levels[4 * place + 2] = 90 + (levels[4 * place + 2] >> 2);
    levels[4 * place + 3] = 255;
  }
}
