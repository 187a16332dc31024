/** Small functions for the document's elements. */

/**
 * @param {string} id of an element of index.html
 * @returns {any}
 */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`index.html has no element ${id}`);
  return found;
}

/**
 * Make an element.
 * @param {string} tag
 * @param {Record<string, any>} [given] properties, `data-` and `aria-` attributes, `role`, and `on...` listeners
 * @param {...(Node | string | null)} children
 * @returns {any}
 */
export function make(tag, given = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(given)) {
    if (key.includes("-") || key === "role" || key === "for") element.setAttribute(key, String(value));
    else if (value !== undefined) element[key] = value;
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/**
 * @param {string} name of a symbol in index.html, without its "i-"
 * @returns {SVGSVGElement}
 */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

/** Make a button look and be out of use, yet still found by those who go from control to control. */
export function setUsable(button, usable) {
  if (usable) button.removeAttribute("aria-disabled");
  else button.setAttribute("aria-disabled", "true");
}

/** Whether a button may be used. */
export function isUsable(button) {
  return button.getAttribute("aria-disabled") !== "true" && !button.disabled;
}

/** Open popovers next to the button that opens them, inside the window. */
export function placePopovers() {
  for (const popover of document.querySelectorAll("[popover]")) {
    popover.addEventListener("toggle", (event) => {
      if (event.newState !== "open") return;
      const box = document.querySelector(`[popovertarget="${popover.id}"]`).getBoundingClientRect();
      const { offsetWidth: width, offsetHeight: height } = popover;
      const beside = box.left < 70 && box.width < 70 && box.top > 60; // a tool of the rail
      const left = beside && window.innerWidth > 760 ? box.right + 10 : box.right - width;
      const below = box.bottom + 8 + height < window.innerHeight;
      const top = beside && window.innerWidth > 760 ? box.top : below ? box.bottom + 8 : box.top - 8 - height;
      popover.style.left = `${Math.max(8, Math.min(left, window.innerWidth - width - 8))}px`;
      popover.style.top = `${Math.max(8, Math.min(top, window.innerHeight - height - 8))}px`;
    });
  }
}
