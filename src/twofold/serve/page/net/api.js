/** The server: requests, streams and what can go wrong with them. */

import { readEvents } from "./sse.js";

const BASE = new URL("api/v1/", document.baseURI);
const SILENCE = 60_000; // the server says something every ten seconds

let token = null; // in memory only

/** The server answered with an error. */
export class ServerError extends Error {
  /**
   * @param {number} status of HTTP
   * @param {string} code short name, for example "busy"
   * @param {string} detail one sentence for the user
   * @param {number} retryAfter seconds, 0 if not said
   */
  constructor(status, code, detail, retryAfter = 0) {
    super(detail);
    Object.assign(this, { status, code, detail, retryAfter });
  }
}

/** The server could not be reached, or went away in the middle. */
export class ConnectionLost extends Error {}

/** @param {string} given sent with every request from now on; forgotten with the page */
export function setToken(given) {
  token = given;
}

/**
 * @param {string} path below api/v1/
 * @returns {Promise<any>} parsed JSON
 */
export async function getJson(path) {
  return (await request(path, {})).json();
}

/**
 * Send fields as JSON; blobs among them go as data URLs.
 * @param {string} path below api/v1/
 * @param {Record<string, any>} fields
 * @param {AbortSignal} [signal]
 * @returns {Promise<Response>} with a good status
 * @throws {ServerError | ConnectionLost}
 */
export async function post(path, fields, signal) {
  const headers = { "Content-Type": "application/json" };
  return request(path, { method: "POST", headers, body: await jsonOf(fields), signal });
}

/**
 * Ask for a fill and tell what happens as it happens.
 * @param {Record<string, any>} fields of the request
 * @param {AbortSignal} signal
 * @yields {{name: string, data: any}} queued, started, progress, sample and done
 * @throws {ServerError | ConnectionLost}
 */
export async function* streamFill(fields, signal) {
  const response = await post("fill", { ...fields, stream: true }, signal);
  let finished = false;
  try {
    for await (const event of readEvents(response.body, SILENCE)) {
      if (event.name === "error") {
        const { status, code, detail, retry_after: wait } = event.data;
        throw new ServerError(status, code, detail, wait ?? 0);
      }
      finished = event.name === "done";
      yield event;
    }
  } catch (error) {
    if (error instanceof ServerError || signal.aborted) throw error;
    throw new ConnectionLost(error.message);
  }
  if (!finished) throw new ConnectionLost("the answer ended early");
}

/** Tell the server that a job is not wanted any more; it notices by itself as well, a little later. */
export async function cancelJob(id) {
  await request(`jobs/${encodeURIComponent(id)}`, { method: "DELETE" }).catch(() => {});
}

async function request(path, options) {
  const headers = { ...options.headers, ...(token ? { Authorization: `Bearer ${token}` } : {}) };
  let response;
  try {
    response = await fetch(new URL(path, BASE), { ...options, headers });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new ConnectionLost(error.message);
  }
  if (response.ok) return response;
  const said = await response.json().catch(() => ({}));
  const wait = Number.parseInt(response.headers.get("Retry-After") ?? "", 10);
  const detail = typeof said.detail === "string" ? said.detail : `The server answered ${response.status}.`;
  throw new ServerError(response.status, said.code ?? "", detail, Number.isFinite(wait) ? wait : 0);
}

/** JSON as a blob: large files never become one JavaScript string with the rest. */
async function jsonOf(fields) {
  const parts = [];
  await append(parts, fields);
  return new Blob(parts, { type: "application/json" });
}

async function append(parts, value) {
  if (value instanceof Blob) parts.push('"', await dataUrl(value), '"');
  else if (Array.isArray(value)) {
    for (const [index, entry] of value.entries()) {
      parts.push(index ? "," : "[");
      await append(parts, entry);
    }
    parts.push(value.length ? "]" : "[]");
  } else if (value && typeof value === "object") {
    let opening = "{";
    for (const [key, entry] of Object.entries(value)) {
      parts.push(`${opening}${JSON.stringify(key)}:`);
      opening = ",";
      await append(parts, entry);
    }
    parts.push(opening === "{" ? "{}" : "}");
  } else parts.push(JSON.stringify(value ?? null));
}

function dataUrl(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    // The file was moved or changed on disk since it was opened.
    const gone = "The photo’s file can no longer be read; open it again.";
    reader.onerror = () => reject(new ServerError(0, "file", gone));
    reader.readAsDataURL(blob);
  });
}

/**
 * @param {string} text base64 without a prefix
 * @param {string} type media type
 * @returns {Blob}
 */
export function blobOf(text, type) {
  const letters = atob(text.slice(text.indexOf(",") + 1));
  const bytes = new Uint8Array(letters.length);
  for (let place = 0; place < letters.length; place++) bytes[place] = letters.charCodeAt(place);
  return new Blob([bytes], { type });
}
