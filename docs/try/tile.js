// What of a picture the network is shown, and how its answer comes back. Pure functions on typed arrays.
// Pixels are RGBA, row by row; a hole has one byte a pixel, above 0 = missing.

export const NATIVE = 256; // side of the squares that medfe-small was trained for
export const LARGEST = 512; // longest side at which it still fills well
const MULTIPLE = 64;

/** The smallest box {left, top, right, bottom} around a hole; null if nothing is missing. */
export function boxAround(hole, width, height) {
  let [left, top, right, bottom] = [width, height, 0, 0];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (!hole[y * width + x]) continue;
      left = Math.min(left, x);
      right = Math.max(right, x + 1);
      top = Math.min(top, y);
      bottom = y + 1;
    }
  }
  return right > left ? { left, top, right, bottom } : null;
}

/** A window {left, top, width, height} of twice the box's longer side, at least NATIVE, inside the picture. */
export function windowAround(box, width, height) {
  const side = Math.max(NATIVE, 2 * Math.max(box.right - box.left, box.bottom - box.top));
  const within = (start, end, length) => {
    const size = Math.min(side, length);
    return [Math.min(Math.max(0, Math.floor((start + end - size) / 2)), length - size), size];
  };
  const [left, w] = within(box.left, box.right, width);
  const [top, h] = within(box.top, box.bottom, height);
  return { left, top, width: w, height: h };
}

/** The size {width, height} at which the network sees a window: scaled down to at most LARGEST. */
export function sizeFor(view) {
  const scale = Math.min(1, LARGEST / Math.max(view.width, view.height));
  return {
    width: Math.max(1, Math.round(view.width * scale)),
    height: Math.max(1, Math.round(view.height * scale)),
  };
}

/** Part of an array of `channels` bytes a pixel. */
export function crop(pixels, width, view, channels) {
  const part = new Uint8Array(view.width * view.height * channels);
  for (let y = 0; y < view.height; y++) {
    const start = ((view.top + y) * width + view.left) * channels;
    part.set(pixels.subarray(start, start + view.width * channels), y * view.width * channels);
  }
  return part;
}

/** Scale a hole down: a pixel is missing if any part of it, or of a neighbour, is; so no colour leaks out. */
export function shrinkHole(hole, width, height, size) {
  if (size.width === width && size.height === height) return hole.slice();
  const small = new Uint8Array(size.width * size.height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (!hole[y * width + x]) continue;
      const row = Math.floor((y * size.height) / height);
      const column = Math.floor((x * size.width) / width);
      for (let down = -1; down <= 1; down++) {
        for (let across = -1; across <= 1; across++) {
          const [r, c] = [row + down, column + across];
          if (r >= 0 && c >= 0 && r < size.height && c < size.width) small[r * size.width + c] = 1;
        }
      }
    }
  }
  return small;
}

/** Position in a line of `length` pixels that goes on mirrored at its ends. */
export function mirrored(position, length) {
  const period = Math.max(1, 2 * length - 2);
  const folded = ((position % period) + period) % period;
  return folded < length ? folded : period - folded;
}

/**
 * What goes into the network: RGB and hole, mirrored out on all sides to a square that it takes.
 * Returns {image, hole, side, left, top}, the last two where the pixels themselves begin.
 */
export function toInputs(pixels, hole, size) {
  const side = Math.max(NATIVE, Math.ceil(Math.max(size.width, size.height) / MULTIPLE) * MULTIPLE);
  const [left, top] = [Math.floor((side - size.width) / 2), Math.floor((side - size.height) / 2)];
  const image = new Uint8Array(side * side * 3);
  const missing = new Uint8Array(side * side);
  for (let y = 0; y < side; y++) {
    const row = mirrored(y - top, size.height) * size.width;
    for (let x = 0; x < side; x++) {
      const from = row + mirrored(x - left, size.width);
      const to = y * side + x;
      missing[to] = hole[from] ? 1 : 0;
      for (let channel = 0; channel < 3; channel++) image[3 * to + channel] = pixels[4 * from + channel];
    }
  }
  return { image, hole: missing, side, left, top };
}

/** The answer RGB to such inputs as RGBA of the size, without what is mirrored. */
export function fromAnswer(answer, { side, left, top }, size) {
  const pixels = new Uint8ClampedArray(size.width * size.height * 4);
  for (let y = 0; y < size.height; y++) {
    for (let x = 0; x < size.width; x++) {
      const [from, to] = [3 * ((top + y) * side + left + x), 4 * (y * size.width + x)];
      for (let channel = 0; channel < 3; channel++) pixels[to + channel] = answer[from + channel];
      pixels[to + 3] = 255;
    }
  }
  return pixels;
}

/** Put an answer of the window's size into a picture, in its hole alone; alpha stays. Changes `pixels`. */
export function composite(pixels, width, hole, answer, view) {
  for (let y = 0; y < view.height; y++) {
    for (let x = 0; x < view.width; x++) {
      const place = (view.top + y) * width + view.left + x;
      if (!hole[place]) continue;
      for (let channel = 0; channel < 3; channel++) {
        pixels[4 * place + channel] = answer[4 * (y * view.width + x) + channel];
      }
    }
  }
}
