/** Full-resolution pictures: the server puts layers into the original file, so depth, EXIF and profile stay. */

import { post } from "./api.js";
import { layerMask, wholeHole } from "../core/layers.js";
import { greyPng } from "../canvas/png.js";

const composed = new WeakMap();

const MOST_LAYERS = 60; // in one request
const FORMATS = { "image/jpeg": "jpeg", "image/webp": "webp", "image/tiff": "tiff" };

/**
 * Ask the server for the photo with layers in it.
 * @param {import("../canvas/photo.js").Photo} photo
 * @param {import("../core/state.js").Layer[]} layers at least one, in order
 * @param {string} format same, png, webp, jpeg or tiff
 * @param {AbortSignal} [signal]
 * @returns {Promise<Blob>} a file
 */
export async function composePicture(photo, layers, format, signal) {
  let file = photo.file;
  let rest = layers;
  for (; rest.length > MOST_LAYERS; rest = rest.slice(MOST_LAYERS)) {
    file = await compose(file, rest.slice(0, MOST_LAYERS), "png", signal);
  }
  const isOriginal = file === photo.file;
  const wanted = format === "same" && !isOriginal ? (FORMATS[photo.file.type] ?? "png") : format;
  return compose(file, rest, wanted, signal);
}

async function compose(file, layers, format, signal) {
  const parts = layers.map(async (layer) => {
    const { blob, left, top, width, height } = layer.sample;
    return { image: blob, left, top, mask: await greyPng(layerMask(layer), { left, top, width, height }) };
  });
  const fields = {
    image: file,
    mask: await greyPng(wholeHole(layers)),
    layers: await Promise.all(parts),
    format,
    quality: 95,
  };
  const response = await post("compose", fields, signal);
  return response.blob();
}

/**
 * The file to fill further: the original, or with what was kept in it.
 * @param {import("../canvas/photo.js").Photo} photo
 * @param {import("../core/state.js").Layer[]} layers that were kept
 * @param {AbortSignal} signal
 * @returns {Promise<Blob>}
 */
export async function baseFile(photo, layers, signal) {
  if (!layers.length) return photo.file;
  if (!composed.has(layers)) {
    // A JPEG stays one: as PNG, a large photo would outgrow the server's limit. Only the next hole's
    // surroundings see the difference; the download is made from the original file.
    const format = photo.file.type === "image/jpeg" ? "same" : "png";
    composed.set(layers, await composePicture(photo, layers, format, signal));
  }
  return composed.get(layers);
}

const ENDINGS = {
  "image/png": "png",
  "image/jpeg": "jpg",
  "image/webp": "webp",
  "image/tiff": "tiff",
  "image/bmp": "bmp",
  "image/gif": "gif",
  "image/avif": "avif",
};

/**
 * Let the browser save a file.
 * @param {Blob} blob
 * @param {string} photoName name of the photo that it came from
 * @param {string} word what it is, put behind the photo's name
 */
export function saveFile(blob, photoName, word) {
  const link = document.createElement("a");
  const stem = photoName.replace(/\.[^.]*$/, "") || "photo";
  link.href = URL.createObjectURL(blob);
  link.download = `${stem}-${word}.${ENDINGS[blob.type.split(";")[0]] ?? "png"}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
