/** What the tests ask of the page from within: pixels, contrast, names, and its modules by themselves. */

globalThis.probes = {
  /** Where the picture's corner is in the window, and how large a picture pixel is. */
  place() {
    const stage = document.querySelector("#stage");
    const box = stage.getBoundingClientRect();
    const { scale, left, top } = stage.dataset;
    return [box.left + +left, box.top + +top, +scale];
  },

  /** The colour of the stage at a picture point. */
  seen([x, y]) {
    const { scale, left, top } = document.querySelector("#stage").dataset;
    const canvas = document.querySelector("#picture");
    const ratio = canvas.width / canvas.clientWidth;
    return pixel(canvas, Math.floor((x * scale + +left) * ratio), Math.floor((y * scale + +top) * ratio));
  },

  /** The colour near the corner of a canvas. */
  corner(selector) {
    return pixel(document.querySelector(selector), 9, 9);
  },

  overlay() {
    return document.querySelector("#overlay").toDataURL();
  },

  setCount(count) {
    const slider = document.querySelector("#count");
    slider.value = count;
    slider.dispatchEvent(new Event("input", { bubbles: true }));
  },

  /** A stroke of a pen that is pressed so hard. */
  pen([from, to, pressure]) {
    const stage = document.querySelector("#stage");
    const always = { bubbles: true, pointerId: 7, pointerType: "pen", pressure, buttons: 1 };
    const send = (kind, [clientX, clientY]) => {
      const button = kind === "pointermove" ? -1 : 0;
      stage.dispatchEvent(new PointerEvent(kind, { ...always, button, clientX, clientY }));
    };
    send("pointerdown", from);
    send("pointermove", to);
    send("pointerup", to);
  },

  /** Drop or paste a file. */
  give([kind, text]) {
    const data = new DataTransfer();
    data.items.add(new File([bytesOf(text)], `${kind}.png`, { type: "image/png" }));
    const event =
      kind === "paste"
        ? new ClipboardEvent("paste", { clipboardData: data, bubbles: true })
        : new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true });
    document.body.dispatchEvent(event);
  },

  /** Words that stand out less than 4.5 to 1. */
  pale() {
    const context = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
    const rgba = (colour) => {
      context.clearRect(0, 0, 1, 1);
      context.fillStyle = colour;
      context.fillRect(0, 0, 1, 1);
      return [...context.getImageData(0, 0, 1, 1).data];
    };
    const linear = (level) => (level <= 10 ? level / 255 / 12.92 : ((level / 255 + 0.055) / 1.055) ** 2.4);
    const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
    const behind = (element) => {
      for (let at = element; at; at = at.parentElement) {
        const colour = rgba(getComputedStyle(at).backgroundColor);
        if (colour[3] === 255) return colour;
      }
      return [255, 255, 255];
    };
    const leftOut = ".unseen, #stage-frame, .thumb, [aria-disabled=true], :disabled";
    const found = [];
    for (const element of document.querySelectorAll("body *")) {
      const words = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
      const visible = element.checkVisibility({ opacityProperty: true, visibilityProperty: true });
      if (!words || !visible || element.closest(leftOut)) continue;
      const pair = [light(rgba(getComputedStyle(element).color)), light(behind(element))];
      const ratio = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
      if (ratio < 4.5) found.push(`${element.textContent.trim().slice(0, 30)}: ${ratio.toFixed(2)}`);
    }
    return found;
  },

  /** Visible controls without a name. */
  nameless() {
    const controls = "button, input, select, summary, [role=slider], [role=radio], [tabindex]";
    return [...document.querySelectorAll(controls)]
      .filter((element) => element.checkVisibility() && !element.closest(".unseen"))
      .filter((element) => {
        const labels = [...(element.labels ?? [])].map((label) => label.textContent).join("");
        return !(element.ariaLabel || labels || element.textContent).trim();
      })
      .map((element) => element.outerHTML);
  },

  /** What becomes of a hole: a PNG file, where it lies, and single levels of the hole before. */
  async shape([width, height, mask, name]) {
    const { rasterFrom } = await module("canvas/raster");
    const { greyPng } = await module("canvas/png");
    const levels = bytesOf(mask);
    const given = rasterFrom(width, height, (top, bottom) => levels.subarray(top * width, bottom * width));
    const raster = shapes[name](given, { ...(await module("canvas/raster")), ...(await module("canvas/shapes")) });
    const { left, top, right, bottom, count } = raster.summary;
    const bytes = new Uint8Array(await (await greyPng(raster)).arrayBuffer());
    const file = btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
    const corners = [given.at(0, 0), given.at(width - 1, height - 1), given.at(-1, 0), given.at(width, 0)];
    return [file, [left, top, right, bottom, count], corners];
  },

  /** The events of a stream that comes in pieces. */
  async events(pieces) {
    const { readEvents } = await module("net/sse");
    const stream = new ReadableStream({
      start(controller) {
        for (const piece of pieces) controller.enqueue(bytesOf(piece));
        controller.close();
      },
    });
    const seen = [];
    for await (const { name, data } of readEvents(stream, 5000)) seen.push([name, data]);
    return seen;
  },

  /** How reading a stream ends that says nothing. */
  async silence() {
    const { readEvents } = await module("net/sse");
    try {
      for await (const event of readEvents(new ReadableStream({}), 50)) return event.name;
      return "ended";
    } catch (error) {
      return error.name;
    }
  },

  /** Sixty strokes all over a wide hole, in a history that may hold forty tiles. */
  async longHistory() {
    const { History } = await module("core/state");
    const { Raster } = await module("canvas/raster");
    const { stroke } = await module("canvas/shapes");
    const history = new History(40 * 65536);
    let hole = new Raster(2560, 256);
    history.push("first", "brush", { hole });
    for (let at = 0; at < 60; at++) {
      const edit = hole.edit();
      const point = { x: (at % 10) * 256 + 99, y: at, radius: 3 };
      stroke(edit, point, point, 255);
      hole = edit.commit();
      history.push(`step ${at}`, "brush", { hole });
    }
    const count = history.steps.length;
    while (history.canUndo) history.undo();
    return [count, history.steps.at(-1).label, history.doc === history.steps[0].doc, history.steps.length];
  },

  /** Ask for a picture of so many layers. */
  async composeMany(count) {
    const { composePicture } = await module("net/compose");
    const { Raster } = await module("canvas/raster");
    const { rectangle } = await module("canvas/shapes");
    const blob = await blankFile(4, 4);
    const layers = Array.from({ length: count }, (_, index) => {
      const left = index % 30;
      const edit = new Raster(40, 30).edit();
      rectangle(edit, { x: left, y: 3 }, { x: left + 4, y: 7 }, 255);
      return { sample: { blob, left, top: 3, width: 4, height: 4 }, hole: edit.commit(), mask: null };
    });
    await composePicture({ file: await blankFile(40, 30) }, layers, "same");
  },
};

const shapes = {
  nothing: (given) => given,
  inverted: (given, { inverted }) => inverted(given),
  twice: (given, { inverted }) => inverted(inverted(given)),
  grown: (given, { grown }) => grown(given, 9),
  shrunk: (given, { shrunk }) => shrunk(given, 4),
  erased: (given, { stroke }) =>
    edited(given, (edit) => stroke(edit, { x: 100.5, y: 40.25, radius: 12 }, { x: 420, y: 280.75, radius: 30 }, 0)),
  stroked: (given, { stroke }) => edited(given, (edit) => stroke(edit, ...LINE, 255)),
  soft: (given, { softStroke, Raster }) =>
    edited(new Raster(given.width, given.height), (edit) =>
      softStroke(edit, { x: 200, y: 200, radius: 40 }, { x: 320, y: 260, radius: 40 }),
    ),
  polygon: (given, { polygon, Raster }) =>
    edited(new Raster(given.width, given.height), (edit) => polygon(edit, TRIANGLE, 255)),
  union: (given, all) => all.join(given, belt(given, all), "union"),
  overlap: (given, all) => all.join(belt(given, all), given, "overlap"),
  undone: (given, { stroke }) => {
    edited(given, (edit) => stroke(edit, ...LINE, 255));
    return given;
  },
};
const LINE = [
  { x: 240.5, y: 250.25, radius: 20 },
  { x: 300, y: 20.75, radius: 20 },
];
const TRIANGLE = [
  { x: 30.2, y: 20.1 },
  { x: 520.7, y: 150.3 },
  { x: 260.1, y: 290.9 },
];

function belt(given, { Raster, rectangle }) {
  const ends = [{ x: -5, y: 10 }, { x: 600, y: 280 }];
  return edited(new Raster(given.width, given.height), (edit) => rectangle(edit, ...ends, 255));
}

function edited(raster, draw) {
  const edit = raster.edit();
  draw(edit);
  return edit.commit();
}

function pixel(canvas, column, row) {
  const one = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  one.drawImage(canvas, column, row, 1, 1, 0, 0, 1, 1);
  return [...one.getImageData(0, 0, 1, 1).data].slice(0, 3);
}

function bytesOf(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

function blankFile(width, height) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  return new Promise((done) => canvas.toBlob(done));
}

function module(name) {
  return import(new URL(`page/${name}.js`, document.baseURI));
}
