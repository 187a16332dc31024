/** What went wrong, in plain words, and what can be done about it. */

import { ConnectionLost, ServerError, setToken } from "../net/api.js";
import { byId, icon, make } from "./elements.js";
import { MaskFileError } from "../canvas/png.js";
import { PhotoError } from "../canvas/photo.js";

const TITLES = {
  busy: "The server is busy",
  unavailable: "The server is not ready yet",
  token: "This server asks for its token",
  forbidden: "The server refused this page",
  slow: "The upload took too long",
  too_large: "The photo is too large for this server",
  deadline: "Filling took longer than this server allows",
  cancelled: "The server stopped this fill",
  file: "The photo’s file cannot be read",
};
const BY_STATUS = {
  401: "token",
  403: "forbidden",
  408: "slow",
  413: "too_large",
  429: "busy",
  503: "unavailable",
  504: "deadline",
};
const ADVICE = {
  deadline: "Ask for fewer answers, or fill a smaller hole.",
  slow: "Try again, or save the photo as JPEG first.",
};
const PASSING = ["busy", "unavailable"]; // go away by themselves

/** Take all notices away. */
export function clearNotices() {
  for (const notice of [...byId("notices").children]) notice.dismiss();
}

/**
 * Tell an error; work is never lost by one.
 * @param {unknown} error
 * @param {{retry?: () => void, failed?: string}} [about] how to try again, and a title for unnamed errors
 */
export function tellError(error, about = {}) {
  if (error instanceof PhotoError) return tell("This photo cannot be opened", error.message);
  if (error instanceof MaskFileError) return tell("This mask does not fit", error.message);
  if (error instanceof ConnectionLost) {
    const said = "The server does not answer. Your photo, hole and answers are all still here.";
    return tell("Connection lost", said, { retry: about.retry });
  }
  if (!(error instanceof ServerError)) {
    console.error(error);
    return tell(about.failed ?? "Something went wrong", String(error?.message ?? error), { retry: about.retry });
  }
  const code = TITLES[error.code] ? error.code : (BY_STATUS[error.status] ?? error.code);
  if (code === "token" && about.retry) return askForToken(about.retry);
  const text = [sentence(error.detail), ADVICE[code]].filter(Boolean).join(" ");
  const wait = PASSING.includes(code) ? Math.max(1, error.retryAfter || 5) : 0;
  tell(TITLES[code] ?? about.failed ?? "That did not work", text, { retry: about.retry, wait });
}

/** A first letter and a full stop, where they are missing. */
function sentence(text) {
  const trimmed = text.trim();
  return trimmed && `${trimmed[0].toUpperCase()}${trimmed.slice(1)}${/[.!?]$/.test(trimmed) ? "" : "."}`;
}

/**
 * Show a notice.
 * @param {string} title
 * @param {string} text
 * @param {{retry?: () => void, wait?: number}} [options] wait: seconds after which to offer it
 */
export function tell(title, text, { retry, wait = 0 } = {}) {
  clearNotices();
  const dismiss = () => {
    clearInterval(notice.timer);
    notice.remove();
  };
  const given = { type: "button", className: "tool", "aria-label": "Dismiss", onclick: dismiss };
  const parts = [icon("warning"), make("h2", {}, title), make("button", given, icon("close")), make("p", {}, text)];
  const notice = make("div", { className: "notice" }, ...parts);
  notice.dismiss = dismiss;
  if (retry) {
    const again = () => {
      dismiss();
      retry();
    };
    notice.append(wait ? countdown(notice, wait, again) : actions(action("Try again", "solid", again)));
  }
  byId("notices").append(notice);
}

/** "Try again in 5 s", by itself if wanted. */
function countdown(notice, wait, again) {
  const ends = Date.now() + wait * 1000;
  const left = () => Math.max(0, Math.ceil((ends - Date.now()) / 1000));
  let automatic = false;
  const auto = action("", "solid", () => {
    automatic = !automatic;
    show();
  });
  const now = action("Try now", "plain", again);
  const show = () => {
    const seconds = left();
    auto.textContent = automatic ? `Retrying in ${seconds} s · Stop` : `Retry automatically in ${seconds} s`;
    if (seconds) return;
    clearInterval(notice.timer);
    if (automatic) again();
    else auto.remove();
  };
  show();
  notice.timer = setInterval(show, 250);
  return actions(auto, now);
}

function action(label, className, onclick) {
  return make("button", { type: "button", className, onclick }, label);
}

function actions(...buttons) {
  return make("div", { className: "actions" }, ...buttons);
}

/**
 * Ask for the server's token; then go on with what it was missing for.
 * @param {() => void} retry
 */
export function askForToken(retry) {
  const [dialog, field] = [byId("token"), byId("token-field")];
  field.value = "";
  dialog.returnValue = "";
  if (!dialog.open) dialog.showModal();
  dialog.onclose = () => {
    if (dialog.returnValue !== "ok" || !field.value.trim()) return;
    setToken(field.value.trim());
    field.value = "";
    retry();
  };
}

let fading = 0;

/**
 * Say something in passing, for the eye and for screen readers.
 * @param {string} text
 */
export function say(text) {
  const status = byId("status");
  clearTimeout(fading);
  status.textContent = text;
  status.dataset.shown = "yes";
  fading = setTimeout(() => {
    status.dataset.shown = "no";
  }, 4500);
}

/** Say something to screen readers only. @param {string} text */
export function announce(text) {
  byId("announcer").textContent = text;
}
