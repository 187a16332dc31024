// Paints holes by mouse, pen, finger or keys, and shows how large the brush is.

const SLOW = 0.25; // of the brush's width, for each press of an arrow
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/**
 * Let a canvas be painted on.
 * `parts`: {canvas, ring, slider}; `picture`: a Picture; `may()`: whether painting is allowed now;
 * `changed()`: is told when a stroke begins and ends.
 */
export function listen({ canvas, ring, slider }, picture, may, changed) {
  let pointer = null; // the finger, pen or mouse that draws: a second finger does not
  let last = null; // where the brush is, in pixels of the picture
  const scale = () => canvas.width / canvas.clientWidth;
  const radius = () => (Number(slider.value) / 2) * scale();
  const pointOf = (event) => ({ x: event.offsetX * scale(), y: event.offsetY * scale() });

  function showRing(point) {
    const size = Number(slider.value);
    ring.hidden = !point;
    if (!point) return;
    ring.style.width = ring.style.height = `${size}px`;
    ring.style.left = `${canvas.offsetLeft + point.x / scale() - size / 2}px`;
    ring.style.top = `${canvas.offsetTop + point.y / scale() - size / 2}px`;
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (pointer !== null || event.button !== 0 || !may()) return;
    canvas.setPointerCapture(event.pointerId);
    pointer = event.pointerId;
    picture.remember();
    last = pointOf(event);
    picture.paint(last, last, radius());
    showRing(last);
    changed();
  });
  canvas.addEventListener("pointermove", (event) => {
    const next = pointOf(event);
    if (event.pointerId === pointer) picture.paint(last, next, radius());
    else if (pointer !== null || event.pointerType === "touch") return;
    last = next;
    showRing(may() ? last : null);
  });
  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, (event) => {
      if (event.pointerId !== pointer) return;
      pointer = null;
      if (event.pointerType === "touch") showRing(null);
      changed();
    });
  }
  canvas.addEventListener("pointerleave", () => pointer === null && showRing(null));
  canvas.addEventListener("blur", () => showRing(null));
  slider.addEventListener("input", () => ring.hidden || showRing(last));

  canvas.addEventListener("keydown", (event) => {
    if (!(event.key in ARROWS || event.key === " ") || !may() || pointer !== null) return;
    event.preventDefault();
    const from = last ?? { x: canvas.width / 2, y: canvas.height / 2 };
    const [across, down] = ARROWS[event.key] ?? [0, 0];
    const step = 2 * radius() * SLOW;
    const within = (place, most) => Math.min(most, Math.max(0, place));
    last = { x: within(from.x + across * step, canvas.width), y: within(from.y + down * step, canvas.height) };
    if (event.key === " " || event.shiftKey) {
      if (!event.repeat) picture.remember(); // an arrow that is held is one stroke
      picture.paint(from, last, radius());
      changed();
    }
    showRing(last);
  });

  /** Forget where the brush was: there is another picture. */
  return () => {
    last = pointer = null;
    showRing(null);
  };
}
