/** The answers as thumbnails: one is looked at; when combining, one is painted with. */

import { byId, icon, make, setUsable } from "./elements.js";
import { answerLayer } from "../core/layers.js";
import { canvasOf } from "../canvas/patches.js";
import { closeUp, drawScene } from "../canvas/scene.js";

const names = new WeakMap();
let lastName = 0;

const SIDE = 288; // canvas pixels of a thumbnail

export class Answers {
  #pictures = new WeakMap(); // thumbnails by what they show
  #drawn = ""; // what the list was last built from
  #known = new WeakSet(); // samples that have been listed before

  /** @param {(which: number | "mix") => void} onpick */
  constructor(onpick) {
    this.onpick = onpick;
    byId("thumbs").addEventListener("keydown", (event) => this.#move(event));
  }

  /**
   * @param {import("../core/state.js").Doc} doc
   * @param {import("../core/screen.js").Look} look
   */
  show(doc, look) {
    const { round, draft } = doc;
    byId("answers").hidden = !round;
    if (!round) {
      this.#drawn = "";
      byId("thumbs").replaceChildren();
      return;
    }
    const { combining } = look;
    const checked = combining ? combining.source : look.mode === "answer" ? look.shown : null;
    const key = JSON.stringify([
      nameOf(round), round.samples.map(Boolean), round.ranking, round.isOpen,
      checked, combining, look.structure, draft && nameOf(draft),
    ]);
    if (key !== this.#drawn) this.#build(doc, look, checked);
    this.#drawn = key;
    this.#showActions(round, look);
  }

  #showActions(round, look) {
    const here = round.samples.filter(Boolean).length;
    const looking = look.mode === "answer" && here > 0;
    byId("answers-title").textContent =
      round.count > 1 ? `Answers from ${round.model}, seed ${round.seed}` : `Answer from ${round.model}`;
    byId("thumbs").setAttribute("aria-busy", String(round.isOpen));
    setUsable(byId("keep"), looking);
    setUsable(byId("combine"), here > 1);
    setUsable(byId("again"), !round.isOpen);
    byId("combine").hidden = round.count < 2;
    byId("again").hidden = !round.diverse;
    byId("combine").setAttribute("aria-pressed", String(Boolean(look.combining)));
  }

  #build(doc, look, checked) {
    const { round, draft } = doc;
    const list = byId("thumbs");
    const hadFocus = list.contains(document.activeElement);
    const order = round.ranked.map((sample) => sample.index);
    const thumbs = order.map((index, rank) => this.#thumb(doc, look, index, rank, checked));
    if (draft && !look.combining) thumbs.unshift(this.#mixThumb(doc, checked));
    if (round.isOpen) {
      const missing = round.count - order.length;
      const waiting = () => make("div", { className: "waiting", "aria-hidden": "true" });
      thumbs.push(...Array.from({ length: missing }, waiting));
    }
    const { scrollLeft } = list;
    list.replaceChildren(...thumbs);
    list.scrollLeft = scrollLeft;
    const buttons = thumbs.filter((thumb) => thumb.role === "radio");
    const current = buttons.find((thumb) => thumb.ariaChecked === "true") ?? buttons[0];
    for (const thumb of buttons) thumb.tabIndex = thumb === current ? 0 : -1;
    if (hadFocus) current?.focus();
  }

  #thumb(doc, look, index, rank, checked) {
    const { round } = doc;
    const sample = round.samples[index];
    const ranked = round.ranking.length > 1;
    const isBase = look.combining?.base === index;
    const place = rank === 0 ? "Best" : ordinal(rank + 1);
    const repeat = sample.duplicateOf === null || rank === 0 ? "" : ` · like ${sample.duplicateOf + 1}`;
    const badge = isBase ? "Base" : ranked ? `${place}${repeat}` : "";
    const told = [
      `Answer ${index + 1}`,
      ranked ? (rank === 0 ? "ranked best" : `ranked ${ordinal(rank + 1)}`) : "",
      isBase ? "is painted over" : "",
      sample.duplicateOf === null ? "" : `much like answer ${sample.duplicateOf + 1}`,
    ].filter(Boolean);
    const seen = look.structure && sample.structure;
    const picture = seen ? this.#seen(sample) : this.#picture(doc, sample, [answerLayer(round, index)]);
    const fresh = this.#known.has(sample) ? "" : " fresh";
    this.#known.add(sample);
    return this.#button(index, told.join(", "), checked === index, fresh, [
      picture,
      round.count > 1 ? make("span", { className: "number" }, String(index + 1)) : null,
      badge ? make("span", { className: `badge${ranked && rank === 0 && !isBase ? " best" : ""}` }, badge) : null,
    ]);
  }

  #mixThumb(doc, checked) {
    const layers = [answerLayer(doc.round, doc.draft.base), ...doc.draft.layers];
    const picture = this.#picture(doc, doc.draft, layers);
    const badge = make("span", { className: "badge best" }, "Combined");
    return this.#button("mix", "Combined answer", checked === "mix", "", [picture, badge]);
  }

  #button(which, label, checked, fresh, children) {
    return make(
      "button",
      {
        type: "button", className: `thumb${fresh}`, role: "radio", "aria-checked": String(checked),
        "aria-label": label, "data-answer": which, onclick: () => this.onpick(which),
      },
      ...children,
    );
  }

  /** Photo and layers around the hole. */
  #picture(doc, key, shown) {
    if (!this.#pictures.has(key)) {
      const canvas = canvasOf(SIDE, SIDE);
      const camera = closeUp(doc.round.hole.summary, doc.photo, SIDE);
      drawScene(canvas.getContext("2d"), camera, { photo: doc.photo, layers: doc.layers, shown, divider: null });
      this.#pictures.set(key, canvas);
    }
    return this.#pictures.get(key);
  }

  /** What the model saw. */
  #seen(sample) {
    if (!this.#pictures.has(sample.structure)) {
      const { width, height } = sample.structure;
      const scale = SIDE / Math.min(width, height);
      const canvas = canvasOf(SIDE, SIDE);
      const context = canvas.getContext("2d");
      context.imageSmoothingQuality = "high";
      context.setTransform(scale, 0, 0, scale, (SIDE - width * scale) / 2, (SIDE - height * scale) / 2);
      context.drawImage(sample.structure, 0, 0);
      this.#pictures.set(sample.structure, canvas);
    }
    return this.#pictures.get(sample.structure);
  }

  #move(event) {
    const thumbs = [...byId("thumbs").querySelectorAll("[role=radio]")];
    const at = thumbs.indexOf(document.activeElement);
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (at < 0 || !step) return;
    event.preventDefault();
    event.stopPropagation();
    thumbs[(at + step + thumbs.length) % thumbs.length].click();
  }
}

function ordinal(number) {
  const tens = number % 100;
  const ending = tens > 10 && tens < 14 ? "th" : ({ 1: "st", 2: "nd", 3: "rd" }[number % 10] ?? "th");
  return `${number}${ending}`;
}

/** A number that stands for an object. */
function nameOf(thing) {
  if (!names.has(thing)) names.set(thing, ++lastName);
  return names.get(thing);
}
