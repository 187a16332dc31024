/** The list of steps. */

import { byId, icon, make } from "./elements.js";

/**
 * List all steps, newest first, to jump between.
 * @param {import("../core/state.js").History} history
 */
export function showSteps(history) {
  const items = history.steps.map((step, position) => {
    const here = position === history.position;
    const className = `item${position > history.position ? " undone" : ""}`;
    const given = { type: "button", className, onclick: () => history.jump(position) };
    const button = make("button", given, icon(step.icon), step.label);
    if (here) button.setAttribute("aria-current", "step");
    return make("li", {}, button);
  });
  const list = byId("step-list");
  const focused = [...list.querySelectorAll("button")].indexOf(document.activeElement);
  list.replaceChildren(...items.reverse());
  if (focused >= 0) list.querySelectorAll("button")[focused]?.focus();
}
