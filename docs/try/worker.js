// Holds the network, away from the page, so that the page stays awake while it computes.

import * as ort from "./ort/ort.wasm.min.mjs";

const MODEL = "medfe-small.onnx";

ort.env.wasm.wasmPaths = new URL("./ort/", import.meta.url).href;
// Threads need a page that is isolated from other origins; elsewhere there is one.
ort.env.wasm.numThreads = self.crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency || 1) : 1;

/** Fetch the file and tell how far it is. */
async function download(name) {
  const response = await fetch(new URL(name, import.meta.url));
  if (!response.ok) throw new Error(`${name} is missing on this server (${response.status})`);
  const total = Number(response.headers.get("Content-Length")) || 0;
  const parts = [];
  let size = 0;
  for (const reader = response.body.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    size += value.length;
    postMessage({ kind: "loading", share: total ? Math.min(1, size / total) : null });
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

const session = download(MODEL).then((bytes) => ort.InferenceSession.create(bytes, { executionProviders: ["wasm"] }));
session.then(
  () => postMessage({ kind: "ready" }),
  (error) => postMessage({ kind: "failed", message: String(error.message ?? error) }),
);

addEventListener("message", async ({ data }) => {
  try {
    const network = await session;
    const { image, hole, width, height } = data;
    const start = performance.now();
    const { answer } = await network.run(
      {
        image: new ort.Tensor("uint8", image, [1, height, width, 3]),
        hole: new ort.Tensor("uint8", hole, [1, height, width]),
      },
      ["answer"],
    );
    const pixels = new Uint8Array(answer.data);
    postMessage({ kind: "answer", answer: pixels, seconds: (performance.now() - start) / 1000 }, [pixels.buffer]);
  } catch (error) {
    postMessage({ kind: "failed", message: String(error.message ?? error) });
  }
});
