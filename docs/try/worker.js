// Holds the network, away from the page, so that the page stays awake while it computes.

import * as ort from "./ort/ort.wasm.min.mjs";

const MODEL = "medfe-small.onnx";

ort.env.wasm.wasmPaths = new URL("./ort/", import.meta.url).href;
// Threads need a page that is isolated from other origins; elsewhere there is one.
ort.env.wasm.numThreads = self.crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency || 1) : 1;

/** Fetch the file and tell how far it is. */
async function download(name) {
  const response = await fetch(new URL(name, import.meta.url)).catch(() => {
    throw new Error(`${name} cannot be fetched; look whether you are online, and load the page again`);
  });
  if (!response.ok) throw new Error(`${name} is missing on this server (${response.status}), README.md says how to make it`);
  // Of a file that is sent compressed, the length is that of fewer bytes than arrive.
  const total = response.headers.get("Content-Encoding") ? null : Number(response.headers.get("Content-Length")) || null;
  const parts = [];
  let bytes = 0;
  for (const reader = response.body.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    bytes += value.length;
    postMessage({ kind: "loading", bytes, total });
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

async function start() {
  const bytes = await download(MODEL);
  try {
    return await ort.InferenceSession.create(bytes, { executionProviders: ["wasm"] });
  } catch (error) {
    throw new Error(`${MODEL} cannot be used; make it again as README.md says (${String(error.message ?? error).replace(/\.$/, "")})`);
  }
}

const session = start();
const fail = (error) => postMessage({ kind: "failed", message: String(error.message ?? error) });
session.then(() => postMessage({ kind: "ready" }), fail);

addEventListener("message", async ({ data }) => {
  try {
    const network = await session;
    const { image, hole, side } = data;
    const start = performance.now();
    const { answer } = await network.run(
      {
        image: new ort.Tensor("uint8", image, [1, side, side, 3]),
        hole: new ort.Tensor("uint8", hole, [1, side, side]),
      },
      ["answer"],
    );
    const pixels = new Uint8Array(answer.data);
    postMessage({ kind: "answer", answer: pixels, seconds: (performance.now() - start) / 1000 }, [pixels.buffer]);
  } catch (error) {
    fail(error);
  }
});
