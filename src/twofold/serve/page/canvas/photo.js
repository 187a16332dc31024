/** The photo: its file as it came, and a bitmap and a smaller preview to look at. */

const PREVIEW = 2400; // pixels of the preview's longer side

/** A file that cannot be opened as a photo; the message is for the user. */
export class PhotoError extends Error {}

/**
 * @typedef {object} Photo
 * @property {File | Blob} file as it was given: what goes to the server
 * @property {string} name of the file
 * @property {number} width in pixels, upright
 * @property {number} height in pixels, upright
 * @property {ImageBitmap} bitmap all pixels
 * @property {ImageBitmap} preview the same, smaller; the bitmap itself if it is small
 */

/**
 * Open a file as a photo, turned upright by its EXIF orientation as the server does it.
 * @param {File | Blob} file
 * @param {{max_megapixels: number, max_body: number} | null} limits of the server, if known
 * @returns {Promise<Photo>}
 * @throws {PhotoError} if it is no picture, or too large for the server
 */
export async function openPhoto(file, limits) {
  const name = file.name || "pasted.png";
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    throw new PhotoError(
      `${name} is no picture that this browser can show; save it as JPEG, PNG or WebP and open that.`,
    );
  }
  const { width, height } = bitmap;
  const megapixels = (width * height) / 1e6;
  if (limits && megapixels > limits.max_megapixels) {
    bitmap.close();
    throw new PhotoError(
      `${name} has ${megapixels.toFixed(1)} megapixels, this server takes up to ${limits.max_megapixels}; ` +
        "make it smaller and open it again.",
    );
  }
  // A request holds the file as text, a third longer.
  if (limits && file.size * 1.34 > limits.max_body) {
    bitmap.close();
    throw new PhotoError(
      `${name} is ${inMegabytes(file.size)}, this server takes photos up to ` +
        `${inMegabytes(limits.max_body / 1.34)}; save it as JPEG or WebP and open that.`,
    );
  }
  const scale = PREVIEW / Math.max(width, height);
  const preview =
    scale < 0.75
      ? await createImageBitmap(bitmap, {
          resizeWidth: Math.round(width * scale),
          resizeHeight: Math.round(height * scale),
          resizeQuality: "medium",
        })
      : bitmap;
  return { file, name, width, height, bitmap, preview };
}

function inMegabytes(bytes) {
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
}
