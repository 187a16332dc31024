/** Mouse, pen, fingers and wheel on the stage: drawing, panning, zooming, and the ring around the brush. */

const WHEEL_STEP = 100; // what one notch of a wheel gives

export class Pointer {
  #fingers = new Map(); // touches that are down, by their id
  #drag = null; // the mouse's last place while it pans
  #pinch = null;
  #hover = null; // the mouse's place over the stage, in the window

  /**
   * @param {{stage: HTMLElement, ring: HTMLElement, view: import("../canvas/view.js").View,
   *   screen: import("../core/screen.js").Screen, painter: import("../core/tools.js").Painter,
   *   resize: (steps: number) => void}} parts
   */
  constructor(parts) {
    Object.assign(this, parts);
    this.spaceIsDown = false;
    this.spaceWasUsed = false;
    /** Place of the keyboard's brush in picture pixels, or null. */
    this.cursor = null;
    const { stage } = parts;
    stage.addEventListener("pointerdown", (event) => this.#down(event));
    stage.addEventListener("pointermove", (event) => this.#move(event));
    stage.addEventListener("pointerup", (event) => this.#up(event));
    stage.addEventListener("pointercancel", (event) => this.#up(event, true));
    stage.addEventListener("pointerleave", () => {
      this.#hover = null;
      this.placeRing();
    });
    stage.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    stage.addEventListener("contextmenu", (event) => event.preventDefault());
    // Safari's own pinch would zoom the page.
    stage.addEventListener("gesturestart", (event) => event.preventDefault());
  }

  #down(event) {
    const { stage, painter } = this;
    stage.focus({ preventScroll: true });
    this.#hideCursor();
    this.#capture(event);
    if (event.pointerType === "touch") {
      this.#fingers.set(event.pointerId, event);
      if (this.#fingers.size > 1) {
        painter.abandon();
        this.#drag = null;
        this.#pinch = this.#fingers.size === 2 ? grip(this.#fingers) : null;
        return;
      }
    }
    this.#hover = event;
    const pans = event.button === 1 || this.spaceIsDown;
    if (pans) this.spaceWasUsed = true;
    if (!pans && event.button !== 0) return;
    if (pans || !painter.begin(this.#point(event), event.altKey)) this.#drag = event;
    this.placeRing();
    event.preventDefault();
  }

  #move(event) {
    if (this.#fingers.has(event.pointerId)) this.#fingers.set(event.pointerId, event);
    if (this.#pinch) return this.#pinchTo();
    this.#hover = event;
    if (this.#drag) {
      this.view.pan(event.clientX - this.#drag.clientX, event.clientY - this.#drag.clientY);
      this.#drag = event;
    } else if (this.painter.isDrawing && event.buttons) {
      const all = event.getCoalescedEvents?.() ?? [];
      this.painter.extend((all.length ? all : [event]).map((each) => this.#point(each)));
    } else this.#hideCursor();
    this.placeRing();
  }

  #up(event, lost = false) {
    this.#fingers.delete(event.pointerId);
    if (this.#fingers.size < 2) this.#pinch = null;
    this.#drag = null;
    if (lost) this.painter.abandon();
    else this.painter.finish();
    if (event.pointerType === "touch") this.#hover = null;
    this.placeRing();
  }

  #pinchTo() {
    const [before, now] = [this.#pinch, grip(this.#fingers)];
    const box = this.stage.getBoundingClientRect();
    this.view.pan(now.x - before.x, now.y - before.y);
    const around = { x: now.x - box.left, y: now.y - box.top };
    this.view.zoomTo((this.view.camera.scale * now.spread) / before.spread, around);
    this.#pinch = now;
  }

  #wheel(event) {
    event.preventDefault();
    const notches = (event.deltaY || event.deltaX) / (event.deltaMode ? 3 : WHEEL_STEP);
    if (event.altKey || event.shiftKey) this.resize(-notches);
    else {
      const box = this.stage.getBoundingClientRect();
      // With the control key it is a trackpad's pinch: its steps are small.
      const factor = event.ctrlKey ? 4 : 1;
      this.view.zoomSteps(-notches * factor, { x: event.clientX - box.left, y: event.clientY - box.top });
    }
    this.placeRing();
  }

  /** Move the keyboard's brush; it appears in the middle of what is seen. */
  moveCursor(across, down) {
    const { view, stage, painter } = this;
    const { photo } = view.scene;
    if (!this.cursor) {
      const box = stage.getBoundingClientRect();
      this.cursor = view.toPicture(box.left + box.width / 2, box.top + box.height / 2);
    }
    this.cursor = {
      x: Math.min(Math.max(this.cursor.x + across, 0), photo.width),
      y: Math.min(Math.max(this.cursor.y + down, 0), photo.height),
    };
    if (painter.isDrawing) painter.extend([this.cursor]);
    view.reveal(this.cursor.x, this.cursor.y);
    this.placeRing();
  }

  /** Put the keyboard's brush down, or lift it. @returns {boolean | null} whether it is down; null without one */
  pressCursor() {
    if (!this.cursor) return null;
    if (this.painter.isDrawing) this.painter.finish();
    else this.painter.begin(this.cursor);
    this.placeRing();
    return this.painter.isDrawing;
  }

  #hideCursor() {
    if (!this.cursor) return;
    this.painter.finish();
    this.cursor = null;
  }

  /** Put the ring where the brush is, as large as it draws. */
  placeRing() {
    const { view, screen, ring, stage } = this;
    const { look } = screen;
    const paints = look.combining || (look.mode === "hole" && look.tool !== "hand");
    const round = look.combining || look.tool === "brush" || look.tool === "eraser";
    const pans = this.spaceIsDown || this.#drag;
    stage.dataset.cursor = pans || !paints ? (this.#drag ? "grabbing" : "grab") : round ? "none" : "cross";
    const visible = view.scene && paints && !pans && (this.cursor || (this.#hover && round));
    ring.hidden = !visible;
    if (!visible) return;
    const { scale, left, top } = view.camera;
    const box = stage.getBoundingClientRect();
    const [x, y] = this.cursor
      ? [this.cursor.x * scale + left, this.cursor.y * scale + top]
      : [this.#hover.clientX - box.left, this.#hover.clientY - box.top];
    const side = round ? Math.max(4, look.size * scale) : 12;
    ring.style.width = ring.style.height = `${side}px`;
    ring.style.transform = `translate(${x - side / 2}px, ${y - side / 2}px)`;
    ring.dataset.keys = String(Boolean(this.cursor));
  }

  #point(event) {
    const pressure = event.pointerType === "pen" && event.pressure ? event.pressure : 1;
    return { ...this.view.toPicture(event.clientX, event.clientY), pressure };
  }

  #capture(event) {
    try {
      this.stage.setPointerCapture(event.pointerId);
    } catch {
      // A pointer that is gone already.
    }
  }
}

/** Middle and spread of two fingers. */
function grip(fingers) {
  const [first, second] = [...fingers.values()];
  return {
    x: (first.clientX + second.clientX) / 2,
    y: (first.clientY + second.clientY) / 2,
    spread: Math.max(1, Math.hypot(first.clientX - second.clientX, first.clientY - second.clientY)),
  };
}
