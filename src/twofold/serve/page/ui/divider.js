/** The line between before and after. */

import { byId } from "./elements.js";

/**
 * Let the divider be dragged, and moved with the arrow keys.
 * @param {import("../canvas/view.js").View} view
 * @param {import("../core/screen.js").Screen} screen
 */
export function listenToDivider(view, screen) {
  const divider = byId("divider");
  const move = (column) => {
    const width = view.scene?.photo.width ?? 0;
    screen.set({ divider: Math.min(Math.max(column, 0), width) });
  };
  divider.addEventListener("pointerdown", (event) => {
    divider.setPointerCapture(event.pointerId);
    event.preventDefault();
    divider.focus({ preventScroll: true });
  });
  divider.addEventListener("pointermove", (event) => {
    if (divider.hasPointerCapture(event.pointerId)) move(view.toPicture(event.clientX, event.clientY).x);
  });
  divider.addEventListener("keydown", (event) => {
    const width = view.scene?.photo.width ?? 0;
    const step = width * (event.shiftKey ? 0.1 : 0.02);
    const column = {
      ArrowLeft: screen.look.divider - step,
      ArrowDown: screen.look.divider - step,
      ArrowRight: screen.look.divider + step,
      ArrowUp: screen.look.divider + step,
      Home: 0,
      End: width,
    }[event.key];
    if (column === undefined) return;
    event.preventDefault();
    move(column);
  });
}

/** Put the divider where its picture column is seen. */
export function placeDivider(view, look) {
  const divider = byId("divider");
  divider.hidden = !look.compare || look.mode !== "answer" || !view.scene;
  if (divider.hidden) return;
  const { scale, left } = view.camera;
  const share = Math.round((100 * look.divider) / view.scene.photo.width);
  divider.style.transform = `translateX(${look.divider * scale + left}px)`;
  divider.setAttribute("aria-valuenow", String(share));
  divider.setAttribute("aria-valuetext", `${share} % before, ${100 - share} % after`);
}
