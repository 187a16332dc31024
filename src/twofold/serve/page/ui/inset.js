/** The corner of the stage that shows what the model saw. */

import { byId } from "./elements.js";

/**
 * Show what the model saw of an answer in the corner of the stage.
 * @param {import("../core/fill.js").Sample | null} sample null hides it
 */
export function showInset(sample) {
  const parts = [["structure", sample?.structure], ["texture", sample?.texture]];
  const there = parts.filter(([, bitmap]) => bitmap);
  byId("inset").hidden = !sample;
  const names = there.map(([name]) => name).join(" and ");
  byId("inset-text").textContent = names || "this model does not tell";
  for (const [name, bitmap] of parts) {
    const canvas = byId(`inset-${name}`);
    canvas.hidden = !bitmap;
    if (!bitmap || canvas.shown === bitmap) continue;
    canvas.shown = bitmap;
    const scale = Math.max(1, Math.round(340 / bitmap.height));
    [canvas.width, canvas.height] = [bitmap.width * scale, bitmap.height * scale];
    const context = canvas.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  }
}
