/** The stage: two canvases, one camera (zoom and pan), drawn once a frame at most. */

import { drawScene } from "./scene.js";

const LARGEST = 40; // canvas pixels to a picture pixel
const STEP = 1.25;

export class View {
  #due = new Set();
  #resized = false;

  /**
   * @param {HTMLElement} stage
   * @param {HTMLCanvasElement} canvas of the picture
   * @param {import("./overlay.js").Overlay} overlay
   */
  constructor(stage, canvas, overlay) {
    Object.assign(this, { stage, canvas, overlay });
    this.context = canvas.getContext("2d");
    /** In CSS pixels. @type {import("./scene.js").Camera} */
    this.camera = { scale: 1, left: 0, top: 0 };
    /** @type {import("./scene.js").Scene | null} */
    this.scene = null;
    this.fitted = true; // stays fitted when the window changes, until someone zooms or pans
    this.onframe = () => {};
    new ResizeObserver(() => {
      this.#resized = true;
      this.redraw();
    }).observe(stage);
  }

  get ratio() {
    return Math.min(window.devicePixelRatio || 1, 3);
  }

  /** Show another scene; a photo of another size is fitted. */
  show(scene) {
    const before = this.scene?.photo;
    this.scene = scene;
    if (scene && (before?.width !== scene.photo.width || before?.height !== scene.photo.height)) this.fit();
    this.redraw();
  }

  /**
   * Draw in the next frame.
   * @param {"all" | "hole" | "march"} what everything; the overlay; or the overlay's edge, a step on
   */
  redraw(what = "all") {
    if (!this.#due.size) requestAnimationFrame(() => this.#draw());
    this.#due.add(what);
  }

  fit() {
    if (!this.scene) return;
    const { width, height } = this.scene.photo;
    const [across, down] = [this.stage.clientWidth, this.stage.clientHeight];
    const margin = Math.min(28, across * 0.04);
    const scale = Math.max(0.001, Math.min((across - 2 * margin) / width, (down - 2 * margin) / height, 4));
    this.camera = { scale, left: (across - width * scale) / 2, top: (down - height * scale) / 2 };
    this.fitted = true;
    this.redraw();
  }

  /** @param {number} steps positive zooms in; @param {{x: number, y: number}} [around] in CSS pixels of the stage */
  zoomSteps(steps, around) {
    this.zoomTo(this.camera.scale * STEP ** steps, around);
  }

  zoomTo(wanted, around = { x: this.stage.clientWidth / 2, y: this.stage.clientHeight / 2 }) {
    if (!this.scene) return;
    const { width, height } = this.scene.photo;
    const smallest = Math.min(1, 24 / Math.min(width, height), this.stage.clientWidth / (2 * width));
    const scale = Math.min(LARGEST, Math.max(smallest, wanted));
    const factor = scale / this.camera.scale;
    const { left, top } = this.camera;
    this.camera.scale = scale;
    this.#place(around.x - (around.x - left) * factor, around.y - (around.y - top) * factor);
  }

  pan(across, down) {
    if (this.scene) this.#place(this.camera.left + across, this.camera.top + down);
  }

  /** Move the camera just so far that a picture point can be seen. */
  reveal(x, y) {
    const { scale, left, top } = this.camera;
    const [across, down] = [x * scale + left, y * scale + top];
    const inside = (value, size) => Math.min(Math.max(value, 40), size - 40) - value;
    const [right, under] = [inside(across, this.stage.clientWidth), inside(down, this.stage.clientHeight)];
    if (right || under) this.pan(right, under);
  }

  /** @returns {{x: number, y: number}} picture pixels of a place in the window */
  toPicture(clientX, clientY) {
    const box = this.stage.getBoundingClientRect();
    const { scale, left, top } = this.camera;
    return { x: (clientX - box.left - left) / scale, y: (clientY - box.top - top) / scale };
  }

  /** Keep a part of the picture in sight wherever it is dragged. */
  #place(left, top) {
    const { width, height } = this.scene.photo;
    const { scale } = this.camera;
    const keep = (value, size, whole) => Math.min(Math.max(value, 60 - size * scale), whole - 60);
    this.camera.left = keep(left, width, this.stage.clientWidth);
    this.camera.top = keep(top, height, this.stage.clientHeight);
    this.fitted = false;
    this.redraw();
  }

  #draw() {
    if (this.#resized) this.#resize(); // may ask for all
    const all = this.#due.has("all");
    const afresh = all || this.#due.has("hole");
    this.#due.clear();
    if (!this.scene) return;
    const { scale, left, top } = this.camera;
    const { ratio } = this;
    const camera = {
      scale: scale * ratio,
      left: Math.round(left * ratio),
      top: Math.round(top * ratio),
    };
    if (all) {
      drawScene(this.context, camera, this.scene);
      Object.assign(this.stage.dataset, { scale, left: camera.left / ratio, top: camera.top / ratio });
    }
    this.overlay.draw(camera, ratio, afresh);
    this.onframe();
  }

  #resize() {
    this.#resized = false;
    const [width, height] = [this.stage.clientWidth, this.stage.clientHeight];
    for (const canvas of [this.canvas, this.overlay.canvas]) {
      canvas.width = Math.max(1, Math.round(width * this.ratio));
      canvas.height = Math.max(1, Math.round(height * this.ratio));
    }
    if (this.fitted) this.fit();
  }
}
