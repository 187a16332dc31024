/** What can be done: open, change the hole, fill, look, keep, combine, download. Buttons and keys call these. */

import { baseFile, composePicture, saveFile } from "../net/compose.js";
import { Filler, Round } from "./fill.js";
import { emptyRaster, shownLayers } from "./layers.js";
import { clearNotices, say, tell, tellError } from "../ui/notices.js";
import { openPhoto } from "../canvas/photo.js";
import { greyPng, readMask } from "../canvas/png.js";
import { grown, inverted, shrunk } from "../canvas/shapes.js";

export class Editor {
  /**
   * @param {{history: import("./state.js").History, screen: import("./screen.js").Screen,
   *   painter: import("./tools.js").Painter, panel: import("../ui/panel.js").Panel}} parts
   */
  constructor(parts) {
    Object.assign(this, parts);
    /** @type {{max_megapixels: number, max_body: number, max_samples: number, formats: string[]} | null} */
    this.limits = null;
    this.filler = new Filler((round, arrived) => this.#hear(round, arrived));
    this.format = "same";
  }

  /** @param {File | Blob} file */
  async open(file) {
    try {
      const photo = await openPhoto(file, this.limits);
      clearNotices();
      this.screen.set({
        mode: "hole", combining: null, compare: false,
        size: Math.max(2, Math.round(Math.min(photo.width, photo.height) * 0.08)),
      });
      const nothing = { hole: emptyRaster(photo), layers: [], round: null, draft: null };
      this.history.push(`Opened ${photo.name}`, "picture", { photo, ...nothing });
      if (this.history.position === 0) this.history.markSaved();
      document.getElementById("stage").focus({ preventScroll: true });
    } catch (error) {
      tellError(error, { failed: "This photo cannot be opened" });
    }
  }

  undo() {
    this.#travel(-1);
  }

  redo() {
    this.#travel(1);
  }

  #travel(step) {
    if (this.painter.isDrawing) return this.painter.abandon();
    const { history } = this;
    const target = history.steps[history.position + step];
    if (!target) return;
    const passed = step < 0 ? history.steps[history.position] : target;
    history.jump(history.position + step);
    say(`${step < 0 ? "Undone" : "Redone"}: ${passed.label}`);
  }

  // The hole.

  invertHole() {
    this.#changeHole("Inverted", "invert", inverted);
  }

  clearHole() {
    this.#changeHole("Cleared", "clear", () => emptyRaster(this.history.doc.photo));
  }

  /** @param {number} distance in pixels; below 0 it shrinks */
  spreadHole(distance) {
    const by = Math.min(500, Math.abs(Math.round(distance)));
    if (!by) return;
    const label = `${distance > 0 ? "Grown" : "Shrunk"} by ${by} px`;
    this.#changeHole(label, "grow", (hole) => (distance > 0 ? grown(hole, by) : shrunk(hole, by)));
  }

  #changeHole(label, icon, change) {
    const { photo, hole } = this.history.doc;
    if (!photo) return;
    this.painter.abandon();
    this.editHole();
    const after = change(hole);
    if (after === hole || (after.isEmpty && hole.isEmpty)) return say("The hole is empty.");
    this.history.push(label, icon, { hole: after });
    say(label);
  }

  /** @param {File} file a mask: white is the hole */
  async loadMask(file) {
    const { photo } = this.history.doc;
    if (!photo) return;
    try {
      const hole = await readMask(file, photo.width, photo.height);
      clearNotices();
      this.editHole();
      this.history.push(`Loaded ${file.name}`, "mask", { hole });
    } catch (error) {
      tellError(error, { failed: "This mask cannot be loaded" });
    }
  }

  async saveMask() {
    const { photo, hole } = this.history.doc;
    if (photo) saveFile(await greyPng(hole), photo.name, "mask");
  }

  /** Back to painting the hole. */
  editHole() {
    const { mode } = this.screen.look;
    if (mode === "hole") return;
    this.panel.setSheet(true);
    this.screen.set({ mode: "hole", combining: null, compare: false });
  }

  // Answers.

  /** @param {number} [seed] another one than the form's */
  async fill(seed) {
    const { history, panel, filler } = this;
    const { photo, hole, layers } = history.doc;
    if (!photo || filler.round) return;
    if (hole.isEmpty) return say("Paint over what should go first.");
    if (!panel.model) return say("The server has not told its models yet.");
    if (seed !== undefined) panel.seed = seed;
    clearNotices();
    const { name: model, diverse } = panel.model;
    const round = new Round({ model, diverse, seed: panel.seed, count: panel.count, hole });
    const label = `Filled with ${model}${round.count > 1 ? `, ${round.count} answers` : ""}`;
    this.picked = false;
    this.screen.set({ mode: "answer", shown: 0, combining: null });
    const step = history.push(label, "fill", { round, draft: null }, "answer");
    panel.setSheet(false); // on a phone, room for the answers
    try {
      await filler.run(round, async (signal) => ({
        image: await baseFile(photo, layers, signal),
        mask: await greyPng(hole),
        model,
        samples: round.count,
        seed: round.seed,
        options: panel.options,
        region: "hole",
        structures: true,
      }));
      this.#conclude(round, step);
    } catch (error) {
      this.#conclude(round, step);
      tellError(error, { retry: () => this.#fillAgain(round), failed: "The fill did not work" });
    }
  }

  /** A failed fill once more, of the same hole if it is still there. */
  #fillAgain(round) {
    if (this.history.doc.hole === round.hole) this.fill(round.seed);
    else say("The hole has changed since; press Fill to fill it.");
  }

  /** A round is over: forget it if nothing came of it. */
  #conclude(round, step) {
    const here = round.samples.filter(Boolean).length;
    if (!here) {
      this.editHole();
      this.history.forget(step);
      return;
    }
    if (round.state === "done") say(here > 1 ? `${here} answers. Pick one.` : "Filled.");
    else say(`Stopped. ${here} of ${round.count} answers stay.`);
  }

  #hear(round, arrived) {
    const { look } = this.screen;
    const { doc } = this.history;
    const isFirst = round.samples.filter(Boolean).length === 1;
    if (arrived && isFirst && look.mode === "answer" && doc.round === round) {
      const { left, right } = round.hole.summary;
      this.screen.set({ shown: arrived.index, divider: (left + right) / 2 });
    } else if (!arrived && round.state === "done" && look.mode === "answer" && doc.round === round && !this.picked) {
      this.screen.set({ shown: round.ranked[0]?.index ?? 0 });
    }
    if (arrived) this.onarrival(round, arrived);
    this.screen.set({});
  }

  /** Called with each answer as it arrives. */
  onarrival() {}

  /** Another seed, so other answers. */
  again() {
    const { round } = this.history.doc;
    if (!round || round.isOpen || !round.diverse) return;
    const { hole } = round;
    if (this.history.doc.hole !== hole) this.history.push("Took the answers’ hole", "mask", { hole });
    this.fill(round.seed + 1);
  }

  cancel() {
    this.filler.cancel();
  }

  /** @param {number | "mix"} which answer to look at; or to paint with, while combining */
  pick(which) {
    const { look } = this.screen;
    this.picked = true;
    if (look.combining && which !== "mix") this.screen.set({ combining: { ...look.combining, source: which } });
    else this.screen.set({ mode: "answer", shown: which });
  }

  /** @param {number} step 1 for the next answer by rank, -1 for the one before */
  pickNext(step) {
    const { round } = this.history.doc;
    const { look } = this.screen;
    if (!round?.samples.length) return;
    const order = round.ranked.map((sample) => sample.index);
    const at = order.indexOf(look.combining ? look.combining.source : look.shown);
    this.pick(order[(Math.max(at, 0) + step + order.length) % order.length]);
  }

  /** Make what is looked at part of the picture, and go on with the next hole. */
  keep() {
    const { history, screen } = this;
    const { doc } = history;
    const shown = shownLayers(doc, screen.look);
    if (!shown.length) return;
    const isMix = screen.look.shown === "mix" && doc.draft;
    const label = isMix ? "Kept the combined answer" : `Kept answer ${shown[0].answer + 1}`;
    this.panel.setSheet(true);
    screen.set({ mode: "hole", combining: null, compare: false, structure: false });
    const changes = { layers: [...doc.layers, ...shown], hole: emptyRaster(doc.photo), round: null, draft: null };
    history.push(label, "keep", changes);
    say("Kept. Paint the next hole, or download.");
  }

  /** Start or end painting parts of one answer over another. */
  combine() {
    const { screen } = this;
    const { look } = screen;
    const { round, draft } = this.history.doc;
    if (look.combining) {
      screen.set({ combining: null, shown: draft ? "mix" : look.combining.base });
      return say("");
    }
    const order = round?.ranked.map((sample) => sample.index) ?? [];
    if (order.length < 2) return say("Combining takes two answers or more.");
    const base = draft?.base ?? (typeof look.shown === "number" && look.mode === "answer" ? look.shown : order[0]);
    const source = order.find((index) => index !== base);
    screen.set({ mode: "answer", shown: "mix", combining: { base, source }, compare: false });
    say("Paint on the picture with the answer you pick.");
  }

  // Away with it.

  /** Layers of what is seen, kept ones first. */
  get finalLayers() {
    const { doc } = this.history;
    return [...doc.layers, ...shownLayers(doc, this.screen.look)];
  }

  /** Save the picture that is seen, at full resolution. */
  async download() {
    const { history, screen, finalLayers } = this;
    if (!history.doc.photo || screen.look.saving) return;
    if (!finalLayers.length) {
      return tell("Nothing to download yet", "Paint a hole and fill it first; what you see is what you get.");
    }
    const { photo } = history.doc;
    const step = history.steps[history.position].id;
    screen.set({ saving: true });
    try {
      saveFile(await composePicture(photo, finalLayers, this.format), photo.name, "filled");
      clearNotices();
      history.markSaved(step);
      say("Downloaded.");
    } catch (error) {
      tellError(error, { retry: () => this.download(), failed: "The picture could not be made" });
    } finally {
      screen.set({ saving: false });
    }
  }
}
