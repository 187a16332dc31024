/** The form that asks for a fill: one answer or many, the model and its options; and the progress. */

import { byId, isUsable, make, setUsable } from "./elements.js";

/**
 * @typedef {object} Model as /api/v1/models tells
 * @property {string} name
 * @property {boolean} diverse gives many answers
 * @property {boolean} default
 * @property {string} state ready, loading, idle or failed
 * @property {Record<string, {default: number | null, minimum: number, maximum: number}>} options
 * @property {string} note
 */

const OPTION_NAMES = { temperature: "Temperature", top_k: "Top k", top_p: "Top p" };

export class Panel {
  #values = new Map(); // what was set of each model's options

  constructor() {
    /** @type {Model[]} */
    this.models = [];
    byId("kinds").addEventListener("change", () => this.#choose());
    byId("model").addEventListener("change", () => this.#describe());
    byId("count").addEventListener("input", () => this.#describe());
    byId("dice").addEventListener("click", () => {
      byId("seed").value = String(Math.floor(Math.random() * 1e6));
    });
    const handle = byId("sheet-handle");
    handle.addEventListener("click", () => this.setSheet(byId("panel").dataset.sheet === "closed"));
  }

  /** Open or fold the sheet of narrow windows. */
  setSheet(open) {
    byId("panel").dataset.sheet = open ? "open" : "closed";
    byId("sheet-handle").setAttribute("aria-expanded", String(open));
  }

  /**
   * @param {Model[]} models
   * @param {{max_samples: number}} limits
   */
  setModels(models, limits) {
    const first = !this.models.length;
    this.models = models;
    byId("count").max = String(Math.max(2, limits.max_samples));
    const kinds = new Set(models.map((model) => model.diverse));
    byId("kinds").hidden = kinds.size < 2;
    if (first) {
      const preset = models.find((model) => model.default) ?? models[0];
      if (preset) this.#kind(preset.diverse ? "many" : "one").checked = true;
      this.#choose();
    } else this.#describe();
  }

  /** @returns {Model | undefined} the chosen one */
  get model() {
    return this.models.find((model) => model.name === byId("model").value);
  }

  get count() {
    return this.model?.diverse ? Number(byId("count").value) : 1;
  }

  /** @returns {number} whole, from 0 to 2^53 */
  get seed() {
    const given = Math.floor(Number(byId("seed").value));
    return Number.isFinite(given) ? Math.min(Math.max(given, 0), 2 ** 53) : 0;
  }

  set seed(value) {
    byId("seed").value = String(value);
  }

  /** @returns {Record<string, number> | null} options that differ from the model's own */
  get options() {
    const values = this.#values.get(this.model?.name) ?? {};
    return Object.keys(values).length ? { ...values } : null;
  }

  #kind(value) {
    return document.querySelector(`input[name=kind][value=${value}]`);
  }

  #choose() {
    const many = this.#kind("many").checked;
    const fitting = this.models.filter((model) => model.diverse === many);
    const preset = fitting.find((model) => model.default) ?? fitting[0];
    byId("model").replaceChildren(
      ...fitting.map((model) => make("option", { value: model.name, selected: model === preset }, model.name)),
    );
    this.#describe();
  }

  #describe() {
    const { model } = this;
    byId("count-field").hidden = !model?.diverse;
    byId("count-text").textContent = byId("count").value;
    byId("model-note").textContent = model?.note ?? "";
    const options = Object.entries(model?.options ?? {}).flatMap((entry) => this.#option(...entry));
    byId("model-options").replaceChildren(...options);
    this.onchange();
  }

  /** Called when the order changes. */
  onchange() {}

  /** A labelled slider for one of the model's numbers. */
  #option(name, { default: preset, minimum, maximum }) {
    if (typeof preset !== "number" || typeof minimum !== "number" || typeof maximum !== "number") return [];
    const values = this.#values.get(this.model.name) ?? {};
    const step = maximum > 8 ? 1 : maximum > 1 ? 0.05 : 0.01;
    const value = make("output", {}, String(values[name] ?? preset));
    const title = make("label", { for: `option-${name}`, className: "labelled" }, OPTION_NAMES[name] ?? name, value);
    const slider = make("input", { type: "range", id: `option-${name}`, min: minimum, max: maximum, step });
    slider.value = String(values[name] ?? preset);
    slider.oninput = () => {
      value.textContent = slider.value;
      const { [name]: _, ...rest } = this.#values.get(this.model.name) ?? {};
      const chosen = Number(slider.value);
      this.#values.set(this.model.name, chosen === preset ? rest : { ...rest, [name]: chosen });
    };
    return [title, slider];
  }

  /**
   * Bring button, hint and progress up to date.
   * @param {{round: import("../core/fill.js").Round | null, hasHole: boolean}} now round: the one under way
   */
  show({ round, hasHole }) {
    const { model, count } = this;
    const focused = document.activeElement;
    byId("progress").hidden = !round;
    byId("fill").hidden = Boolean(round);
    if (round && focused === byId("fill")) byId("cancel").focus();
    if (!round && focused === byId("cancel")) byId("fill").focus();
    byId("fill-text").textContent = count > 1 ? `Fill with ${count} answers` : "Fill";
    setUsable(byId("fill"), Boolean(hasHole && model));
    byId("fill-hint").textContent = round ? "" : this.#hint(hasHole);
    if (round) this.#showProgress(round);
  }

  #hint(hasHole) {
    if (!this.models.length) return "Asking the server for its models…";
    if (this.model?.state === "failed") return `${this.model.name} could not be loaded; see the server’s log.`;
    return hasHole ? "" : "Paint over what should go, then fill.";
  }

  #showProgress(round) {
    const percent = Math.round(round.share * 100);
    const bar = byId("progress-bar");
    bar.setAttribute("aria-valuenow", String(percent));
    bar.firstElementChild.style.transform = `scaleX(${round.share})`;
    byId("progress-text").textContent = progressText(round, percent);
  }

  get canFill() {
    return isUsable(byId("fill")) && !byId("fill").hidden;
  }
}

function progressText(round, percent) {
  if (round.state === "sending") return "Sending the photo…";
  if (round.state === "queued") return round.position > 0 ? `Waiting, ${round.position} before you` : "Waiting…";
  const here = round.samples.filter(Boolean).length;
  return round.count > 1 ? `${here} of ${round.count} answers · ${percent} %` : `${percent} %`;
}
