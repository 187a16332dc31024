/** Server-sent events from a fetched response, as they come. */

/**
 * @param {ReadableStream<Uint8Array>} stream body of a text/event-stream response
 * @param {number} silence milliseconds without a byte after which the connection counts as lost
 * @yields {{name: string, data: any}} one event; its data is parsed JSON
 * @throws {Error} named "Silence" when nothing came for too long; whatever the stream throws
 */
export async function* readEvents(stream, silence) {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  let [pending, name, data] = [[], "message", []]; // an unfinished line in pieces, and an unfinished event
  try {
    for (;;) {
      const { value, done } = await within(reader.read(), silence);
      if (done) return;
      const lines = decoder.decode(value, { stream: true }).split("\n");
      // A line may be megabytes long and come in hundreds of pieces: join them once.
      pending.push(lines.shift());
      while (lines.length) {
        const line = pending.join("").replace(/\r$/, "");
        pending = [lines.shift()];
        if (line === "") {
          if (data.length) yield { name, data: JSON.parse(data.join("\n")) };
          [name, data] = ["message", []];
        } else if (line.startsWith("event:")) name = line.slice(6).trim();
        else if (line.startsWith("data:")) data.push(line.slice(5).replace(/^ /, ""));
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** The promise's value, or an error if it takes too long. */
function within(promise, milliseconds) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(Object.assign(new Error("silence"), { name: "Silence" })), milliseconds);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
