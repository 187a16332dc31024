/** Every command: what it is called, its keys and the button that it belongs to. */

import { byId, isUsable } from "../ui/elements.js";

/**
 * All commands of the page.
 * @param {import("./editor.js").Editor} editor
 * @param {import("./screen.js").Screen} screen
 * @param {import("../canvas/view.js").View} view
 * @param {(steps: number) => void} resize changes the brush's size
 * @param {() => void} escape
 * @returns {(import("../ui/keys.js").Command & {button?: string})[]}
 */
export function commandsOf(editor, screen, view, resize, escape) {
  const has = () => Boolean(editor.history.doc.photo);
  const tool = (name, key, label) => ({
    keys: [key], label, group: "Tools", button: `tool-${name}`,
    run: () => {
      editor.editHole();
      screen.set({ tool: name });
    },
  });
  const mask = (keys, label, button, run) => ({ keys, label, group: "Mask", button, run });
  const toggle = (name) => () => {
    const { look } = screen;
    if (!editor.history.doc.round || look.combining) return;
    screen.set({ mode: "answer", [name]: look.mode === "answer" ? !look[name] : true });
  };
  const all = [
    tool("brush", "B", "Brush"),
    tool("eraser", "E", "Eraser"),
    tool("rectangle", "R", "Rectangle"),
    tool("lasso", "L", "Lasso"),
    tool("hand", "H", "Move the picture"),
    { keys: ["[", "]"], label: "Smaller, larger brush", group: "Tools", run: () => {} },
    { keys: ["Mod+Z"], label: "Undo", group: "Steps", button: "undo", run: () => editor.undo() },
    { keys: ["Mod+Shift+Z", "Mod+Y"], label: "Redo", group: "Steps", button: "redo", run: () => editor.redo() },
    mask(["I"], "Invert the hole", "mask-invert", () => editor.invertHole()),
    mask(["G"], "Grow the hole", "mask-grow", () => editor.spreadHole(distance())),
    mask(["Shift+G"], "Shrink the hole", "mask-shrink", () => editor.spreadHole(-distance())),
    mask(["Delete", "Backspace"], "Clear the hole", "mask-clear", () => editor.clearHole()),
    { keys: ["M"], label: "All of the mask", group: "Mask", run: () => has() && byId("mask-button").click() },
    { keys: ["Enter"], label: "Fill", group: "Answers", run: () => editor.fill() },
    { keys: ["Escape"], label: "Cancel", group: "Answers", run: escape },
    { keys: [",", "."], label: "Answer before, after", group: "Answers", run: () => {} },
    { keys: ["C"], label: "Compare with before", group: "Answers", button: "compare", run: toggle("compare") },
    { keys: ["S"], label: "What the model saw", group: "Answers", button: "structure", run: toggle("structure") },
    { keys: ["U"], label: "Use this answer", group: "Answers", button: "keep", run: () => editor.keep() },
    { keys: ["P"], label: "Combine answers", group: "Answers", button: "combine", run: () => editor.combine() },
    { keys: ["T"], label: "Try another seed", group: "Answers", button: "again", run: () => editor.again() },
    { keys: ["+", "="], label: "Zoom in", group: "View", button: "zoom-in", run: () => view.zoomSteps(1) },
    { keys: ["-"], label: "Zoom out", group: "View", button: "zoom-out", run: () => view.zoomSteps(-1) },
    { keys: ["0"], label: "Whole picture", group: "View", button: "zoom-fit", run: () => view.fit() },
    { keys: ["1"], label: "100 %", group: "View", button: "zoom-text", run: () => view.zoomTo(1) },
    { keys: ["O"], label: "Open a photo", group: "Files", button: "open", run: () => byId("photo-file").click() },
    { keys: ["D", "Mod+S"], label: "Download", group: "Files", button: "download", run: () => editor.download() },
    { keys: ["?"], label: "This list", group: "Files", button: "help-button", run: () => byId("help").showModal() },
  ];
  const alone = [
    ["[", () => resize(-1)],
    ["]", () => resize(1)],
    [",", () => editor.pickNext(-1)],
    [".", () => editor.pickNext(1)],
  ];
  return [...all, ...alone.map(([key, run]) => ({ keys: [key], label: "", group: "", run }))];
}

function distance() {
  return Math.max(1, Number(byId("distance").value) || 1);
}

/** Let buttons run their commands. */
export function listenToButtons(commands) {
  for (const { button, run } of commands) {
    if (!button) continue;
    byId(button).addEventListener("click", () => {
      if (isUsable(byId(button))) run();
    });
  }
}
