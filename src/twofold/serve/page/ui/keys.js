/** Keyboard: every command has a key; "?" lists them. */

import { byId, make } from "./elements.js";

/**
 * @typedef {object} Command
 * @property {string[]} keys as KeyboardEvent.key says, "Mod+" for Control or Command
 * @property {string} label for the list
 * @property {string} group
 * @property {() => void} run
 */

const SHOWN = { "Mod+": "Ctrl ", "Shift+": "⇧ ", Enter: "↵", Escape: "Esc", Delete: "Del" };

/**
 * Listen for the keys of commands.
 * @param {Command[]} commands
 * @param {import("./pointer.js").Pointer} pointer
 */
export function listenToKeys(commands, pointer) {
  const table = new Map(commands.flatMap((command) => command.keys.map((key) => [key, command])));
  window.addEventListener("keydown", (event) => {
    if (document.querySelector("dialog[open]") || event.isComposing) return;
    if (onStage(event, pointer)) return event.preventDefault();
    const command = table.get(nameOf(event));
    if (!command || isTaken(event)) return;
    event.preventDefault();
    command.run();
  });
  window.addEventListener("keyup", (event) => {
    if (event.key !== " " || !pointer.spaceIsDown) return;
    pointer.spaceIsDown = false;
    if (!pointer.spaceWasUsed) pointer.pressCursor();
    pointer.placeRing();
  });
  window.addEventListener("blur", () => {
    pointer.spaceIsDown = false;
  });
}

/** Space and the arrow keys, while the picture has the focus. */
function onStage(event, pointer) {
  if (document.activeElement !== byId("stage") || event.ctrlKey || event.metaKey) return false;
  if (event.key === " ") {
    if (!event.repeat) [pointer.spaceIsDown, pointer.spaceWasUsed] = [true, false];
    pointer.placeRing();
    return true;
  }
  const across = { ArrowLeft: -1, ArrowRight: 1 }[event.key] ?? 0;
  const down = { ArrowUp: -1, ArrowDown: 1 }[event.key] ?? 0;
  if ((!across && !down) || !pointer.view.scene) return false;
  const { size } = pointer.screen.look;
  const step = event.altKey ? 1 : Math.max(1, Math.round(size / 4)) * (event.shiftKey ? 5 : 1);
  pointer.moveCursor(across * step, down * step);
  return true;
}

/** The name of a pressed key in the table. */
function nameOf(event) {
  const control = event.ctrlKey || event.metaKey ? "Mod+" : "";
  // Letters say nothing of Shift except with it; signs such as "?" contain it.
  const letter = /^[a-z]$/i.test(event.key);
  return `${control}${event.shiftKey && letter ? "Shift+" : ""}${letter ? event.key.toUpperCase() : event.key}`;
}

/** Whether what has the focus needs this key itself. */
function isTaken(event) {
  const { target } = event;
  const typed = target.matches?.("input:not([type=range], [type=radio], [type=checkbox]), select, textarea");
  if (typed) return event.key !== "Escape" && !(event.key === "Enter" && target.matches("input"));
  if (event.key === "Enter") return target.matches?.("button, summary, a, [role=radio]");
  if (target.matches?.("input[type=range], [role=slider]")) return /^(Arrow|Page|Home|End)/.test(event.key);
  return event.altKey;
}

/** Write the list of keys into its dialog. @param {Command[]} commands */
export function listKeys(commands) {
  const groups = Map.groupBy ? Map.groupBy(commands, ({ group }) => group) : grouped(commands);
  const entry = ({ keys, label }) => {
    const caps = keys.slice(0, 2).flatMap((key) => [make("kbd", {}, shown(key)), " "]);
    return make("div", {}, make("dt", {}, label), make("dd", {}, ...caps));
  };
  const lists = [...groups].map(([title, entries]) =>
    make("section", {}, make("h3", {}, title), make("dl", {}, ...entries.map(entry))),
  );
  byId("key-list").replaceChildren(...lists);
}

function grouped(commands) {
  const groups = new Map();
  for (const command of commands) groups.set(command.group, [...(groups.get(command.group) ?? []), command]);
  return groups;
}

function shown(key) {
  return Object.entries(SHOWN).reduce((text, [from, to]) => text.replace(from, to), key);
}
