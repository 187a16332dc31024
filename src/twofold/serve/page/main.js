/** Puts the page together: parts are made, wired, and shown anew after every change. */

import { Answers } from "./ui/answers.js";
import { getJson } from "./net/api.js";
import { commandsOf, listenToButtons } from "./core/commands.js";
import { listenToDivider, placeDivider } from "./ui/divider.js";
import { Editor } from "./core/editor.js";
import { byId, make, placePopovers, setUsable } from "./ui/elements.js";
import { listenForFiles } from "./ui/files.js";
import { showInset } from "./ui/inset.js";
import { listKeys, listenToKeys } from "./ui/keys.js";
import { shownLayers } from "./core/layers.js";
import { announce, say, tellError } from "./ui/notices.js";
import { Overlay } from "./canvas/overlay.js";
import { Panel } from "./ui/panel.js";
import { Pointer } from "./ui/pointer.js";
import { Screen } from "./core/screen.js";
import { History } from "./core/state.js";
import { showSteps } from "./ui/steps.js";
import { turnTheme } from "./ui/theme.js";
import { Painter } from "./core/tools.js";
import { View } from "./canvas/view.js";

const history = new History();
const screen = new Screen();
const overlay = new Overlay(byId("overlay"));
const view = new View(byId("stage"), byId("picture"), overlay);
const painter = new Painter(history, screen, view);
const panel = new Panel();
const editor = new Editor({ history, screen, painter, panel });
const answers = new Answers((which) => editor.pick(which));
const pointer = new Pointer({ stage: byId("stage"), ring: byId("ring"), view, screen, painter, resize });

// Size of the brush: the slider's steps are shares, not pixels, so small sizes are as easy as large ones.

function largest() {
  const { photo } = history.doc;
  return photo ? Math.max(64, Math.min(photo.width, photo.height)) : 512;
}

function resize(steps) {
  const factor = 1.12 ** steps;
  const size = Math.round(screen.look.size * factor) + (Math.abs(factor - 1) > 0.05 ? Math.sign(steps) : 0);
  screen.set({ size: Math.min(Math.max(size, 1), largest()) });
}

function showSize({ size }) {
  const slider = byId("size");
  if (document.activeElement !== slider || !slider.matches(":active")) {
    slider.value = String((100 * Math.log(size)) / Math.log(largest()));
  }
  slider.setAttribute("aria-valuetext", `${size} pixels`);
  byId("size-text").textContent = `${size} px`;
}

byId("size").addEventListener("input", (event) => {
  screen.set({ size: Math.max(1, Math.round(largest() ** (event.target.value / 100))) });
});

// Showing. Any number of changes within a frame is shown once.

let isDue = false;

function refresh() {
  if (isDue) return;
  isDue = true;
  queueMicrotask(() => {
    isDue = false;
    show();
  });
}

let lastPosition = -1;

function show() {
  const { doc } = history;
  travelTo(history.steps[history.position]);
  const { look } = screen;
  const mode = look.combining ? "mix" : look.mode;
  const round = editor.filler.round;
  Object.assign(document.body.dataset, {
    photo: doc.photo ? "open" : "none",
    mode,
    brush: mode === "mix" || (mode === "hole" && ["brush", "eraser"].includes(look.tool)) ? "yes" : "no",
    shape: mode === "hole" && ["rectangle", "lasso"].includes(look.tool) ? "yes" : "no",
  });
  showScene(doc, look);
  showContext(doc, look);
  showSize(look);
  panel.show({ round, hasHole: Boolean(doc.hole && !doc.hole.isEmpty) });
  answers.show(doc, look);
  showSteps(history);
  byId("undo").disabled = !history.canUndo;
  byId("redo").disabled = !history.canRedo;
  setUsable(byId("download"), editor.finalLayers.length > 0 && !look.saving);
  byId("download").setAttribute("aria-busy", String(look.saving));
  byId("download").lastElementChild.textContent = look.saving ? "Preparing…" : "Download";
  document.title = doc.photo ? `${doc.photo.name} – twofold` : "twofold";
}

/** After undo, redo and jumps: look at what that step was about. */
function travelTo(step) {
  if (!step || step.id === lastPosition) return;
  const isNew = step === history.steps.at(-1) && step.id > lastPosition;
  lastPosition = step.id;
  const { round, draft } = step.doc;
  if (!isNew) {
    const goesOn = screen.look.combining && step.look === "answer" && round;
    const shown = draft ? "mix" : (round?.ranked[0]?.index ?? 0);
    const changes = goesOn ? {} : { mode: step.look, combining: null, shown };
    screen.look = { ...screen.look, ...changes };
  }
  const { round: running } = editor.filler;
  if (running && !history.holds(running)) editor.cancel();
}

function showScene(doc, look) {
  if (!doc.photo) return;
  const layers = shownLayers(doc, look, painter.live);
  const looking = layers.length > 0;
  if (!painter.isDrawing) overlay.hole = looking ? null : doc.hole;
  overlay.working = Boolean(editor.filler.round) && look.mode === "answer" && !looking;
  const divider = look.compare && looking ? look.divider : null;
  view.show({ photo: doc.photo, layers: doc.layers, shown: layers, divider, quick: painter.isDrawing });
  const sample = typeof look.shown === "number" ? doc.round?.samples[look.shown] : layers[0]?.sample;
  showInset(look.structure && look.mode === "answer" && !look.combining ? (sample ?? null) : null);
}

function showContext(doc, look) {
  for (const name of ["brush", "eraser", "rectangle", "lasso", "hand"]) {
    byId(`tool-${name}`).setAttribute("aria-pressed", String(look.mode === "hole" && look.tool === name));
  }
  byId("compare").setAttribute("aria-pressed", String(look.compare));
  byId("structure").setAttribute("aria-pressed", String(look.structure));
  byId("photo-name").textContent = doc.photo ? `${doc.photo.name} · ${doc.photo.width} × ${doc.photo.height}` : "";
  if (doc.hole && !painter.isDrawing) byId("hole-text").textContent = holeText(doc);
  const { round } = doc;
  const here = Boolean(round?.samples.some(Boolean));
  for (const id of ["compare", "structure"]) setUsable(byId(id), here);
  if (here && look.shown === "mix") byId("answer-text").textContent = "Combined answer";
  else if (here && round.count > 1) byId("answer-text").textContent = `Answer ${look.shown + 1} of ${round.count}`;
  else byId("answer-text").textContent = "";
  if (look.combining) {
    const { base, source } = look.combining;
    const painted = make("b", {}, `answer ${source + 1}`);
    const under = make("b", {}, `answer ${base + 1}`);
    byId("mix-text").replaceChildren("Painting with ", painted, " over ", under);
  }
}

function holeText({ hole, photo }) {
  const { left, top, right, bottom, count } = hole.summary;
  if (!count) return "No hole yet";
  const share = (100 * count) / (photo.width * photo.height);
  return `Hole ${right - left} × ${bottom - top} px · ${share < 0.1 ? "under 0.1" : share.toFixed(1)} % of the photo`;
}

// Wiring.

function escape() {
  if (document.querySelector("[popover]:popover-open")) return;
  if (painter.isDrawing) painter.abandon();
  else if (screen.look.combining) editor.combine();
  else if (editor.filler.round) editor.cancel();
  else if (screen.look.compare) screen.set({ compare: false });
}

history.subscribe(refresh);
screen.subscribe(refresh);
painter.onlive = refresh;
panel.onchange = refresh;
overlay.onmarch = () => view.redraw("march");
view.onframe = () => {
  placeDivider(view, screen.look);
  pointer.placeRing();
  byId("zoom-text").textContent = `${Math.round(view.camera.scale * view.ratio * 100)} %`;
};
editor.onarrival = (round, arrived) => {
  const here = round.samples.filter(Boolean).length;
  announce(`Answer ${arrived.index + 1} is here, ${here} of ${round.count}.`);
};

const commands = commandsOf(editor, screen, view, resize, escape);
listenToButtons(commands);
listenToKeys(commands, pointer);
listKeys(commands.filter(({ label }) => label));
listenToDivider(view, screen);
placePopovers();
listenForFiles((file) => editor.open(file), (file) => editor.loadMask(file));

byId("choose").addEventListener("click", () => byId("photo-file").click());
byId("mask-load").addEventListener("click", () => byId("mask-file").click());
byId("mask-save").addEventListener("click", () => editor.saveMask());
byId("edit-hole").addEventListener("click", () => editor.editHole());
byId("mix-done").addEventListener("click", () => editor.combine());
byId("cancel").addEventListener("click", () => editor.cancel());
byId("theme").addEventListener("click", turnTheme);
byId("fill-form").addEventListener("submit", (event) => {
  event.preventDefault();
  editor.fill();
});
byId("context").addEventListener("change", ({ target }) => {
  if (target.name === "removing") screen.set({ removing: target.value === "yes" });
});
byId("formats").addEventListener("change", ({ target }) => {
  editor.format = target.value;
});
window.addEventListener("beforeunload", (event) => {
  if (history.isUnsaved) event.preventDefault();
});

// The server tells its limits and models; both again when a model was still loading.

async function meet() {
  try {
    const [limits, models] = await Promise.all([getJson("limits"), getJson("models")]);
    editor.limits = limits;
    panel.setModels(models, limits);
    if (models.some((model) => model.state === "loading")) setTimeout(meet, 3000);
  } catch (error) {
    tellError(error, { retry: meet, failed: "The server could not be asked for its models" });
  }
}

refresh();
meet();
