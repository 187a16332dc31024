// The page: open a photo, paint a hole, fill it, look, go on or download.

import { boxAround, composite, crop, fromAnswer, shrinkHole, sizeFor, toInputs, windowAround } from "./tile.js";

const LONGEST = 2048; // larger photos are scaled down to this, for the memory of phones
const element = (id) => document.getElementById(id);
const canvas = element("picture");
const screen = canvas.getContext("2d", { willReadFrequently: true });
const worker = new Worker("worker.js", { type: "module" });

const state = {
  pixels: null, // ImageData of the picture as it is
  hole: null, // Uint8Array, 1 = missing
  steps: [], // earlier {pixels, hole}
  ready: false,
  busy: false,
  before: false, // whether the first picture is shown
  first: null,
};

worker.addEventListener("message", ({ data }) => {
  if (data.kind === "loading") showProgress(data.share);
  if (data.kind === "ready") {
    state.ready = true;
    say(state.pixels ? "Paint over what should go, then press Fill." : "Ready. Open a photo.");
    showProgress(0);
    refresh();
  }
  if (data.kind === "failed") {
    state.busy = false;
    say(`It did not work: ${data.message}`, "bad");
    showProgress(0);
    refresh();
  }
});
worker.addEventListener("error", (event) => {
  say(`The network cannot be started: ${event.message || "ort/ is missing, see README.md"}`, "bad");
});

function say(text, kind = "") {
  element("status").textContent = text;
  element("status").dataset.kind = kind;
}

/** A bar from 0 to 1; null moves without an end in sight. */
function showProgress(share) {
  if (share === null) element("progress").removeAttribute("value");
  else element("progress").value = share;
}

/** Draw the picture with its hole tinted, and set the buttons. */
function refresh() {
  const marked = state.hole?.some((missing) => missing) ?? false;
  element("fill").disabled = !(state.ready && marked && !state.busy);
  element("clear").disabled = !marked || state.busy;
  element("undo").disabled = !state.steps.length || state.busy;
  element("compare").disabled = !state.pixels || state.busy;
  if (!state.pixels) return;
  screen.putImageData(state.before ? state.first : state.pixels, 0, 0);
  if (!marked || state.before) return;
  const tint = new ImageData(new Uint8ClampedArray(state.pixels.data), canvas.width, canvas.height);
  for (let place = 0; place < state.hole.length; place++) {
    if (!state.hole[place]) continue;
    tint.data[4 * place] = 235;
    tint.data[4 * place + 1] = 60 + (tint.data[4 * place + 1] >> 2);
    tint.data[4 * place + 2] = 90 + (tint.data[4 * place + 2] >> 2);
  }
  screen.putImageData(tint, 0, 0);
}

function remember() {
  const pixels = new ImageData(new Uint8ClampedArray(state.pixels.data), canvas.width, canvas.height);
  state.steps.push({ pixels, hole: state.hole.slice() });
  if (state.steps.length > 20) state.steps.shift();
}

/** Show a photo, scaled down if it is very large. */
export async function open(blob) {
  const bitmap = await createImageBitmap(blob).catch(() => null);
  if (!bitmap) return say("This file is no picture that the browser can show.", "bad");
  const scale = Math.min(1, LONGEST / Math.max(bitmap.width, bitmap.height));
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  screen.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  state.pixels = screen.getImageData(0, 0, canvas.width, canvas.height);
  state.first = screen.getImageData(0, 0, canvas.width, canvas.height);
  state.hole = new Uint8Array(canvas.width * canvas.height);
  state.steps = [];
  element("save").hidden = true;
  say(state.ready ? "Paint over what should go, then press Fill." : "Paint while the network is being loaded.");
  refresh();
}

/** Mark a round spot as missing. */
function dab(x, y, radius) {
  const { width, height } = canvas;
  for (let row = Math.max(0, Math.floor(y - radius)); row < Math.min(height, y + radius); row++) {
    for (let column = Math.max(0, Math.floor(x - radius)); column < Math.min(width, x + radius); column++) {
      if ((row + 0.5 - y) ** 2 + (column + 0.5 - x) ** 2 <= radius ** 2) state.hole[row * width + column] = 1;
    }
  }
}

/** A line of spots between two points of the canvas. */
function stroke(from, to) {
  const radius = (Number(element("brush").value) / 2) * (canvas.width / canvas.clientWidth);
  const steps = Math.max(1, Math.ceil(Math.hypot(to.x - from.x, to.y - from.y) / Math.max(1, radius / 2)));
  for (let step = 0; step <= steps; step++) {
    dab(from.x + ((to.x - from.x) * step) / steps, from.y + ((to.y - from.y) * step) / steps, radius);
  }
  refresh();
}

const pointOf = (event) => ({
  x: (event.offsetX * canvas.width) / canvas.clientWidth,
  y: (event.offsetY * canvas.height) / canvas.clientHeight,
});
let last = null;
canvas.addEventListener("pointerdown", (event) => {
  if (!state.pixels || state.busy || state.before) return;
  canvas.setPointerCapture(event.pointerId);
  remember();
  last = pointOf(event);
  stroke(last, last);
});
canvas.addEventListener("pointermove", (event) => {
  if (!last) return;
  const next = pointOf(event);
  stroke(last, next);
  last = next;
});
for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => (last = null));

/** Scale RGBA by the canvas's own resampling. */
function resized(pixels, from, to) {
  if (from.width === to.width && from.height === to.height) return pixels;
  const source = new OffscreenCanvas(from.width, from.height);
  source.getContext("2d").putImageData(new ImageData(new Uint8ClampedArray(pixels), from.width, from.height), 0, 0);
  const target = new OffscreenCanvas(to.width, to.height).getContext("2d");
  target.imageSmoothingQuality = "high";
  target.drawImage(source, 0, 0, to.width, to.height);
  return target.getImageData(0, 0, to.width, to.height).data;
}

/** Ask the worker, once. */
function ask(inputs) {
  return new Promise((resolve, reject) => {
    const listen = ({ data }) => {
      if (data.kind !== "answer" && data.kind !== "failed") return;
      worker.removeEventListener("message", listen);
      if (data.kind === "answer") resolve(data);
      else reject(new Error(data.message));
    };
    worker.addEventListener("message", listen);
    worker.postMessage(inputs, [inputs.image.buffer, inputs.hole.buffer]);
  });
}

/** Fill the hole that is painted; every other pixel stays as it is. */
export async function fill() {
  const { width, height } = canvas;
  const box = boxAround(state.hole, width, height);
  if (!box || state.busy) return;
  state.busy = true;
  refresh();
  say("Filling.");
  showProgress(null);
  const view = windowAround(box, width, height);
  const size = sizeFor(view);
  const small = resized(crop(state.pixels.data, width, view, 4), view, size);
  const hole = shrinkHole(crop(state.hole, width, view, 1), view.width, view.height, size);
  const inputs = toInputs(small, hole, size);
  const padded = inputs.width;
  try {
    const { answer, seconds } = await ask(inputs);
    remember();
    const large = resized(fromAnswer(answer, padded, size), size, view);
    composite(state.pixels.data, width, state.hole, large, view);
    state.hole.fill(0);
    say(`Filled in ${seconds.toFixed(1)} seconds. Paint on, or download.`);
    offer();
  } catch {
    // The worker's own message is on the page already.
  }
  state.busy = false;
  showProgress(0);
  refresh();
}

/** Make the picture a download; PNG keeps every pixel. */
function offer() {
  screen.putImageData(state.pixels, 0, 0);
  canvas.toBlob((blob) => {
    URL.revokeObjectURL(element("save").href);
    element("save").href = URL.createObjectURL(blob);
    element("save").hidden = false;
  });
}

element("open").addEventListener("change", (event) => event.target.files[0] && open(event.target.files[0]));
element("fill").addEventListener("click", fill);
element("clear").addEventListener("click", () => {
  remember();
  state.hole.fill(0);
  refresh();
});
element("undo").addEventListener("click", () => {
  Object.assign(state, state.steps.pop());
  refresh();
});
element("compare").addEventListener("click", () => {
  state.before = !state.before;
  element("compare").setAttribute("aria-pressed", String(state.before));
  refresh();
});
document.querySelector("label.button").addEventListener("keydown", (event) => {
  if (event.key === "Enter" || event.key === " ") element("open").click();
});
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => {
  event.preventDefault();
  if (event.dataTransfer.files[0]) open(event.dataTransfer.files[0]);
});
