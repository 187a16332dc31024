/** A round of answers: asked for once, arriving one by one. */

import { blobOf, cancelJob, ConnectionLost, ServerError, streamFill } from "../net/api.js";

/**
 * @typedef {object} Sample one answer; see docs of the server's /api/v1/fill
 * @property {number} index
 * @property {Blob} blob the file as received
 * @property {ImageBitmap} bitmap
 * @property {number} left where it lies in the photo
 * @property {number} top
 * @property {number} width
 * @property {number} height
 * @property {ImageBitmap | null} structure what the model saw
 * @property {ImageBitmap | null} texture
 * @property {number | null} duplicateOf index of an answer that it hardly differs from
 */

/** Grows while its answers arrive; steps of the history refer to it. */
export class Round {
  /**
   * @param {{model: string, diverse: boolean, seed: number, count: number,
   *   hole: import("../canvas/raster.js").Raster}} order
   */
  constructor(order) {
    Object.assign(this, order);
    /** @type {Sample[]} */
    this.samples = [];
    /** Indices, best first; empty until all are there. @type {number[]} */
    this.ranking = [];
    /** @type {"sending" | "queued" | "running" | "done" | "ended"} ended: cancelled or failed on the way */
    this.state = "sending";
    this.position = 0;
    this.share = 0;
  }

  get isOpen() {
    return !["done", "ended"].includes(this.state);
  }

  /** Answers that are here, best first as far as that is known. @returns {Sample[]} */
  get ranked() {
    const here = this.samples.filter(Boolean);
    return this.ranking.length ? this.ranking.map((index) => this.samples[index]).filter(Boolean) : here;
  }
}

/** Runs one round at a time. */
export class Filler {
  #abort = null;
  #job = null;

  /** @param {(round: Round, arrived: Sample | null) => void} onchange after every event */
  constructor(onchange) {
    this.onchange = onchange;
    /** @type {Round | null} */
    this.round = null;
  }

  /**
   * Ask for a round's answers; returns when all are there, or some and it was cancelled.
   * @param {Round} round
   * @param {() => Promise<Record<string, any>>} prepare makes the request's fields
   * @throws {ServerError | ConnectionLost} also when some answers had arrived; they stay in the round
   */
  async run(round, prepare) {
    const abort = new AbortController();
    [this.#abort, this.#job, this.round] = [abort, null, round];
    try {
      const fields = await prepare(abort.signal);
      abort.signal.throwIfAborted();
      for await (const { name, data } of streamFill(fields, abort.signal)) {
        await this.#take(round, name, data);
        abort.signal.throwIfAborted();
      }
      round.state = "done";
    } catch (error) {
      round.state = "ended";
      const cancelled = abort.signal.aborted || (error instanceof ServerError && error.code === "cancelled");
      if (!cancelled) throw error;
    } finally {
      if (this.round === round) this.round = null;
      this.onchange(round, null);
    }
  }

  /** Stop waiting; answers that are here stay. */
  cancel() {
    this.#abort?.abort();
    if (this.round && this.#job) cancelJob(this.#job);
  }

  async #take(round, name, data) {
    let arrived = null;
    if (name === "queued") {
      this.#job = data.id;
      [round.state, round.position] = ["queued", data.position ?? 0];
    } else if (name === "started") {
      this.#job = data.id ?? this.#job;
      round.state = "running";
    } else if (name === "progress") {
      round.state = "running";
      round.share = Math.max(round.share, data.total ? Math.min(1, data.done / data.total) : 0);
    } else if (name === "sample") {
      arrived = await sampleOf(data);
      round.samples[arrived.index] = arrived;
    } else if (name === "done") {
      round.ranking = data.ranking ?? [];
      round.share = 1;
    }
    this.onchange(round, arrived);
  }
}

async function sampleOf(data) {
  const blob = blobOf(data.image, data.media_type ?? "image/png");
  const decode = (text) => (text ? createImageBitmap(blobOf(text, "image/png")) : null);
  try {
    const [bitmap, structure, texture] = await Promise.all([
      createImageBitmap(blob),
      decode(data.structure),
      decode(data.texture),
    ]);
    const { index, left, top, width, height } = data;
    const duplicateOf = data.duplicate_of ?? null;
    return { index, blob, bitmap, structure, texture, left, top, width, height, duplicateOf };
  } catch {
    throw new ConnectionLost("an answer arrived damaged");
  }
}
