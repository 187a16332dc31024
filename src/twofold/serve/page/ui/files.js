/** Ways for files to get in: chosen, dropped, pasted. */

import { byId } from "./elements.js";

/**
 * @param {(file: File) => void} openPhoto
 * @param {(file: File) => void} openMask
 */
export function listenForFiles(openPhoto, openMask) {
  for (const [id, open] of [["photo-file", openPhoto], ["mask-file", openMask]]) {
    byId(id).addEventListener("change", (event) => {
      const [file] = event.target.files;
      if (file) open(file);
      event.target.value = ""; // the same file may be chosen again
    });
  }
  document.addEventListener("paste", (event) => {
    const file = imageOf(event.clipboardData);
    if (!file) return;
    event.preventDefault();
    openPhoto(file);
  });
  let depth = 0; // dragging over a child enters it before it leaves its parent
  const show = () => {
    document.body.dataset.dragging = depth > 0 ? "yes" : "no";
  };
  const isFile = (event) => event.dataTransfer?.types.includes("Files");
  document.addEventListener("dragenter", (event) => {
    if (!isFile(event)) return;
    depth += 1;
    show();
  });
  document.addEventListener("dragleave", (event) => {
    if (!isFile(event)) return;
    depth = Math.max(0, depth - 1);
    show();
  });
  document.addEventListener("dragover", (event) => {
    if (isFile(event)) event.preventDefault();
  });
  document.addEventListener("drop", (event) => {
    if (!isFile(event)) return;
    event.preventDefault();
    depth = 0;
    show();
    const file = imageOf(event.dataTransfer) ?? event.dataTransfer.files[0];
    if (file) openPhoto(file);
  });
}

function imageOf(transfer) {
  return [...(transfer?.files ?? [])].find((file) => file.type.startsWith("image/"));
}
