// Whether the service predicts and trains: a line at the top of the page.

import * as api from "./api.js";
import { h } from "./dom.js";

const LOOK_SECONDS = 10;

/** Looks now, and again and again. */
export function watch() {
  setInterval(look, LOOK_SECONDS * 1000);
  return look();
}

/** Looks once, unless nobody does. */
export async function look() {
  if (document.hidden) return;
  const place = document.getElementById("status");
  try {
    const ready = await api.get("readyz");
    tell(place, ...said(ready.training));
  } catch (error) {
    tell(place, "bad", error.status === 503 ? "The service is not ready to predict" : "The service does not answer");
  }
}

function said({ ready, missing }) {
  if (ready) return ["good", "Predictions are up, training is up"];
  const why = missing.join("; ");
  if (missing.every((each) => each.includes("is starting"))) return ["quiet", `Predictions are up, training comes up: ${why}`];
  return ["bad", `Predictions are up, training is down: ${why}`];
}

function tell(place, kind, text) {
  if (place.textContent !== text) place.replaceChildren(h("span", { class: kind }, text));
}
