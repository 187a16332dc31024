/** The hole over the picture: tinted, hatched, with a marching edge; and the shape that is being drawn. */

import { canvasOf, tileImage } from "./patches.js";
import { FULL, TILE } from "./raster.js";

const MARCH = 110; // milliseconds between two steps of the edge
const TINTS = { light: "#19d3c5", deep: "#0a7f86" };

export class Overlay {
  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.body = canvasOf(1, 1).getContext("2d"); // the hole
    this.edge = canvasOf(1, 1).getContext("2d"); // a line around it
    /** @type {import("./raster.js").Raster | null} */
    this.hole = null;
    /** Outline that is being drawn, in picture pixels. @type {{x: number, y: number}[] | null} */
    this.shape = null;
    this.box = null; // part of the canvas that body and edge use
    this.working = false;
    this.phase = 0;
    this.onmarch = () => {};
    this.still = window.matchMedia("(prefers-reduced-motion: reduce)");
    setInterval(() => this.#march(), MARCH);
  }

  #march() {
    const visible = this.shape || (this.hole && !this.hole.isEmpty);
    if (!visible || document.hidden || this.still.matches) return;
    this.phase += 1;
    this.onmarch();
  }

  /**
   * @param {import("./scene.js").Camera} camera in canvas pixels
   * @param {number} ratio canvas pixels to a CSS pixel
   * @param {boolean} afresh whether hole or camera changed; if not, only the edge moves on
   */
  draw(camera, ratio, afresh) {
    const { context, canvas } = this;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    if (this.hole && afresh) this.#trace(camera, ratio);
    if (this.hole && this.box) {
      const breath = this.working && !this.still.matches ? 0.12 * Math.sin(this.phase / 4) : 0;
      context.globalAlpha = 0.52 + breath;
      this.#copy(this.body, context);
      context.globalAlpha = 1;
      this.#paint(this.edge, stripes(this.edge, ratio, 5, "#ffffff", "#0b2f33", { left: this.phase * ratio, top: 0 }));
      this.#copy(this.edge, context);
    }
    if (this.shape?.length) this.#drawShape(camera, ratio);
  }

  /** Draw the hole's tiles to the body, and what lies a line's width around them to the edge. */
  #trace(camera, ratio) {
    const { body, edge, hole } = this;
    this.#clear();
    this.box = this.#boxOf(camera, ratio);
    if (!this.box) return;
    const { left, top, width, height } = this.box;
    body.imageSmoothingEnabled = camera.scale < 1;
    body.imageSmoothingQuality = "medium";
    body.fillStyle = "#fff";
    const x = (column) => Math.round(column * camera.scale + camera.left);
    const y = (row) => Math.round(row * camera.scale + camera.top);
    this.#within(body, () => {
      hole.tiles.forEach((tile, index) => {
        if (!tile) return;
        const [column, row] = [(index % hole.columns) * TILE, Math.floor(index / hole.columns) * TILE];
        const [from, above, to, below] = [x(column), y(row), x(column + TILE), y(row + TILE)];
        if (to < left || below < top || from > left + width || above > top + height) return;
        // Whole canvas pixels: neighbouring tiles meet without a seam.
        if (tile === FULL) body.fillRect(from, above, to - from, below - above);
        else body.drawImage(tileImage(tile), from, above, to - from, below - above);
      });
    });
    const line = 1.5 * ratio;
    this.#within(edge, () => {
      for (let turn = 0; turn < 8; turn++) {
        const angle = (turn * Math.PI) / 4;
        this.#copy(body, edge, line * Math.cos(angle), line * Math.sin(angle));
      }
      edge.globalCompositeOperation = "destination-out";
      this.#copy(body, edge);
    });
    this.#paint(body, stripes(body, ratio, 7, TINTS.light, TINTS.deep, camera));
  }

  /** Make body and edge empty, and as large as the canvas. */
  #clear() {
    const { width, height } = this.canvas;
    for (const context of [this.body, this.edge]) {
      const { canvas } = context;
      if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
      else if (this.box) context.clearRect(this.box.left, this.box.top, this.box.width, this.box.height);
    }
  }

  /** Do something to a context that changes nothing outside the box. */
  #within(context, draw) {
    const { left, top, width, height } = this.box;
    context.save();
    context.beginPath();
    context.rect(left, top, width, height);
    context.clip();
    draw();
    context.restore();
  }

  /** Copy the box from one context to another, moved by some pixels. */
  #copy(from, to, across = 0, down = 0) {
    const { left, top, width, height } = this.box;
    to.drawImage(from.canvas, left, top, width, height, left + across, top + down, width, height);
  }

  /** Colour what a context holds. */
  #paint(context, colours) {
    const { left, top, width, height } = this.box;
    this.#within(context, () => {
      context.globalCompositeOperation = "source-in";
      context.fillStyle = colours;
      context.fillRect(left, top, width, height);
    });
  }

  /** The part of the canvas that the hole covers, with some room for the edge; null if it is out of sight. */
  #boxOf(camera, ratio) {
    const { left, top, right, bottom } = this.hole.extent;
    if (left >= right) return null;
    const room = 4 * ratio;
    const place = (at, offset, extra, size) =>
      Math.round(Math.min(Math.max(at * camera.scale + offset + extra, 0), size));
    const from = {
      left: place(left, camera.left, -room, this.canvas.width),
      top: place(top, camera.top, -room, this.canvas.height),
    };
    const width = place(right, camera.left, room, this.canvas.width) - from.left;
    const height = place(bottom, camera.top, room, this.canvas.height) - from.top;
    return width > 0 && height > 0 ? { ...from, width, height } : null;
  }

  #drawShape(camera, ratio) {
    const { context } = this;
    context.beginPath();
    for (const { x, y } of this.shape) {
      context.lineTo(x * camera.scale + camera.left, y * camera.scale + camera.top);
    }
    context.closePath();
    context.globalAlpha = 0.25;
    context.fillStyle = TINTS.light;
    context.fill();
    context.globalAlpha = 1;
    context.lineWidth = 1.5 * ratio;
    for (const [colour, dash] of [["#0b2f33", []], ["#ffffff", [5 * ratio, 5 * ratio]]]) {
      context.setLineDash(dash);
      context.lineDashOffset = -this.phase * ratio;
      context.strokeStyle = colour;
      context.stroke();
    }
    context.setLineDash([]);
  }
}

/** Diagonal stripes of two colours, moved by some canvas pixels. */
function stripes(context, ratio, width, first, second, moved) {
  const side = Math.round(width * 2 * ratio);
  const tile = canvasOf(side, side);
  const paint = tile.getContext("2d");
  paint.fillStyle = first;
  paint.fillRect(0, 0, side, side);
  paint.fillStyle = second;
  paint.beginPath();
  for (const shift of [-side, 0]) {
    paint.moveTo(shift + side / 2, 0);
    paint.lineTo(shift + side, 0);
    paint.lineTo(shift + side * 2, side);
    paint.lineTo(shift + side * 1.5, side);
  }
  paint.fill();
  const pattern = context.createPattern(tile, "repeat");
  pattern.setTransform(new DOMMatrix().translate(moved.left % side, moved.top % side));
  return pattern;
}
