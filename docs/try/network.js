// The network in its worker, as promises.

export class Network {
  #worker = new Worker("worker.js", { type: "module" });
  #waiting = null; // {resolve, reject} of the run that is on

  /** Starts to load; `tell(bytes, total)` hears of it, with null for a total that nobody knows. */
  constructor(tell) {
    this.ready = new Promise((resolve, reject) => {
      const fail = (message) => {
        reject(new Error(message)); // changes nothing if it is ready
        this.#waiting?.reject(new Error(message));
        this.#waiting = null;
      };
      this.#worker.addEventListener("message", ({ data }) => {
        if (data.kind === "loading") tell(data.bytes, data.total);
        if (data.kind === "ready") resolve();
        if (data.kind === "failed") fail(data.message);
        if (data.kind === "answer") {
          this.#waiting?.resolve(data);
          this.#waiting = null;
        }
      });
      // A worker that cannot even be read says nothing of the cause.
      this.#worker.addEventListener("error", (event) => {
        event.preventDefault();
        fail(event.message || "the folder ort/ is missing on this server, README.md says how to fetch it");
      });
    });
  }

  /** Run it on what `toInputs` gives, one at a time: {answer, seconds}. Takes the arrays away. */
  run(inputs) {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#worker.postMessage(inputs, [inputs.image.buffer, inputs.hole.buffer]);
    });
  }
}
