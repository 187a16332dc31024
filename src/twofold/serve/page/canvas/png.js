/** Mask files: written as grey PNG without a canvas (their size has limits), read by the browser's decoder. */

import { rasterFrom } from "./raster.js";

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const BAND = 64; // rows that are compressed at a time

const CHECKSUMS = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

/**
 * Write a part of a raster as a grey PNG file of 8 bits; white = 255.
 * @param {import("./raster.js").Raster} raster
 * @param {{left: number, top: number, width: number, height: number}} [box] the whole if not given
 * @returns {Promise<Blob>}
 */
export async function greyPng(raster, box) {
  const { left, top, width, height } = box ?? { left: 0, top: 0, width: raster.width, height: raster.height };
  let row = 0;
  const rows = new ReadableStream({
    pull(controller) {
      if (row >= height) return controller.close();
      const count = Math.min(BAND, height - row);
      const levels = raster.crop(left, top + row, width, count);
      const lines = new Uint8Array(count * (width + 1)); // each line behind a 0: not filtered
      for (let line = 0; line < count; line++) {
        lines.set(levels.subarray(line * width, (line + 1) * width), line * (width + 1) + 1);
      }
      row += count;
      controller.enqueue(lines);
    },
  });
  const packed = await new Response(rows.pipeThrough(new CompressionStream("deflate"))).arrayBuffer();
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header[8] = 8; // bits; colour type 0 = grey
  const parts = [chunk("IHDR", header), chunk("IDAT", new Uint8Array(packed)), chunk("IEND", new Uint8Array())];
  return new Blob([new Uint8Array(SIGNATURE), ...parts], { type: "image/png" });
}

function chunk(kind, body) {
  const bytes = new Uint8Array(body.length + 12);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, body.length);
  bytes.set([...kind].map((letter) => letter.charCodeAt(0)), 4);
  bytes.set(body, 8);
  let value = 0xffffffff;
  for (let place = 4; place < body.length + 8; place++) {
    value = CHECKSUMS[(value ^ bytes[place]) & 255] ^ (value >>> 8);
  }
  view.setUint32(body.length + 8, ~value >>> 0);
  return bytes;
}

/** A mask file that cannot be used; the message is for the user. */
export class MaskFileError extends Error {}

/**
 * Read a mask file as a hole: white is missing, from half the range upwards; what is transparent is not.
 * @param {Blob & {name?: string}} file
 * @param {number} width of the photo
 * @param {number} height of the photo
 * @returns {Promise<import("./raster.js").Raster>}
 * @throws {MaskFileError} if it is no picture or of another size
 */
export async function readMask(file, width, height) {
  const name = file.name || "This file";
  const bitmap = await createImageBitmap(file, { colorSpaceConversion: "none" }).catch(() => null);
  if (!bitmap) throw new MaskFileError(`${name} is no picture that this browser can read; give a PNG.`);
  if (bitmap.width !== width || bitmap.height !== height) {
    const seen = `${bitmap.width} × ${bitmap.height}`;
    bitmap.close();
    throw new MaskFileError(
      `${name} is ${seen} pixels, the photo is ${width} × ${height}; a mask needs the photo’s size.`,
    );
  }
  const canvas = document.createElement("canvas");
  canvas.width = width;
  const hole = rasterFrom(width, height, (top, bottom) => {
    canvas.height = bottom - top; // also clears it
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(bitmap, 0, top, width, bottom - top, 0, 0, width, bottom - top);
    const { data } = context.getImageData(0, 0, width, bottom - top);
    const levels = new Uint8Array(width * (bottom - top));
    for (let place = 0; place < levels.length; place++) {
      const at = place * 4;
      const luma = 299 * data[at] + 587 * data[at + 1] + 114 * data[at + 2]; // in thousandths, exact
      if (luma * data[at + 3] >= 128_000 * 255) levels[place] = 255;
    }
    return levels;
  });
  bitmap.close();
  return hole;
}
