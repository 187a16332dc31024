// The page: open a photo, paint a hole, fill it, look, go on or download.

import { listen } from "./brush.js";
import { Network } from "./network.js";
import { Picture } from "./picture.js";
import { boxAround, composite, crop, fromAnswer, shrinkHole, sizeFor, toInputs, windowAround } from "./tile.js";

const element = (id) => document.getElementById(id);
const picture = new Picture(element("picture"));
const state = {
  ready: false, // the network
  busy: false,
  before: false, // whether the first picture is shown
};

const megabytes = (bytes) => (bytes / 1e6).toFixed(0);
const network = new Network((bytes, total) => {
  if (total) say(bytes < total ? `The network is being loaded (${megabytes(total)} MB).` : "The network is being started.");
  showProgress(total && bytes < total ? bytes / total : null);
});
network.ready.then(
  () => {
    state.ready = true;
    say(picture.pixels ? "Paint over what should go, then press Fill." : "Ready. Open a photo.");
    showProgress();
    refresh();
  },
  (error) => {
    say(`The network cannot be started: ${sentence(error)}`, "bad");
    showProgress();
  },
);

/** What an error says, with one full stop. */
const sentence = (error) => `${error.message.replace(/\.+$/, "")}.`;

/** A sentence below the tools; read aloud only when it changes. */
function say(text, kind = "") {
  const status = element("status");
  if (status.textContent !== text) status.textContent = text;
  status.dataset.kind = kind;
}

/** A bar from 0 to 1; null moves without an end in sight, nothing takes it away. */
function showProgress(share) {
  const bar = element("progress");
  bar.classList.toggle("idle", share === undefined);
  if (share === undefined || share === null) bar.removeAttribute("value");
  else bar.value = share;
}

/** Set the buttons. */
function refresh() {
  const marked = picture.hasHole;
  element("fill").disabled = !(state.ready && marked && !state.busy && !state.before);
  element("clear").disabled = !marked || state.busy || state.before;
  element("undo").disabled = !picture.hasSteps || state.busy || state.before;
  element("compare").disabled = element("save").disabled = !picture.pixels || state.busy;
  element("compare").setAttribute("aria-pressed", String(state.before));
  element("choose").disabled = element("example").disabled = state.busy;
  element("picture").classList.toggle("still", state.busy || state.before);
}

/** Draw the picture and set the buttons. */
function redraw() {
  picture.show(state.before);
  refresh();
}

const forget = listen(
  { canvas: element("picture"), ring: element("ring"), slider: element("brush") },
  picture,
  () => Boolean(picture.pixels) && !state.busy && !state.before,
  refresh,
);

/** Show a photo. */
async function open(blob) {
  if (state.busy) return;
  const bitmap = await createImageBitmap(blob).catch(() => null);
  if (!bitmap) return say("This file is no picture that the browser can show; take another, such as a JPEG or PNG.", "bad");
  if (state.busy) return;
  picture.open(bitmap);
  bitmap.close();
  state.before = false;
  element("picture").hidden = false;
  element("empty").hidden = true;
  forget();
  if (state.ready) say("Paint over what should go, then press Fill.");
  refresh();
}

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

/** The picture with its hole filled, RGBA, and how long the network took; every other pixel stays as it is. */
async function filled() {
  const { width, height, hole } = picture;
  const view = windowAround(boxAround(hole, width, height), width, height);
  const size = sizeFor(view);
  const small = resized(crop(picture.pixels.data, width, view, 4), view, size);
  const inputs = toInputs(small, shrinkHole(crop(hole, width, view, 1), view.width, view.height, size), size);
  const { answer, seconds } = await network.run(inputs);
  const levels = new Uint8ClampedArray(picture.pixels.data);
  composite(levels, width, hole, resized(fromAnswer(answer, inputs, size), size, view), view);
  return { levels, seconds };
}

async function fill() {
  if (element("fill").disabled) return;
  state.busy = true;
  refresh();
  say("Filling.");
  showProgress(null);
  try {
    const { levels, seconds } = await filled();
    picture.replace(levels);
    say(`Filled in ${seconds.toFixed(1)} seconds. Paint on, or download.`);
  } catch (error) {
    say(`The hole was not filled: ${sentence(error)}`, "bad");
  }
  state.busy = false;
  showProgress();
  redraw();
}

function undo() {
  if (element("undo").disabled) return;
  picture.undo();
  redraw();
}

async function save() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await picture.file());
  link.download = "filled.png";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

element("choose").addEventListener("click", () => element("open").click());
element("open").addEventListener("change", async ({ target }) => {
  if (target.files[0]) await open(target.files[0]);
  target.value = ""; // so that the same photo can be opened again
});
element("example").addEventListener("click", async () => {
  const response = await fetch("example.jpg").catch(() => null);
  if (response?.ok) await open(await response.blob());
  else say("The example is missing on this server; open a photo of yours.", "bad");
});
element("fill").addEventListener("click", fill);
element("undo").addEventListener("click", undo);
element("save").addEventListener("click", save);
element("clear").addEventListener("click", () => {
  picture.clear();
  redraw();
});
element("compare").addEventListener("click", () => {
  state.before = !state.before;
  redraw();
});
element("picture").addEventListener("keydown", (event) => event.key === "Enter" && fill());
addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && !event.shiftKey && event.key.toLowerCase() === "z") {
    event.preventDefault();
    undo();
  }
  const steps = { "[": -8, "]": 8 }[event.key];
  if (!steps) return;
  element("brush").value = Number(element("brush").value) + steps;
  element("brush").dispatchEvent(new Event("input"));
});
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => {
  event.preventDefault();
  if (event.dataTransfer.files[0]) open(event.dataTransfer.files[0]);
});
addEventListener("paste", (event) => event.clipboardData.files[0] && open(event.clipboardData.files[0]));
refresh();
