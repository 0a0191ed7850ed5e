// What plots share: round places on axes, and a plane in SVG whose places are percentages.

import { h, svg } from "./dom.js";
import { number } from "./format.js";

/** About so many round numbers from `low` to `high`. */
export function ticks(low, high, about = 5) {
  const span = high - low;
  if (!(span > 0)) return [low];
  const rough = span / about;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((each) => each * power >= rough) * power;
  const found = [];
  for (let index = Math.ceil(low / step); index * step <= high + step * 1e-9; index++) found.push(index * step);
  return found;
}

/** Powers of ten from `low` to `high`, so few that their names fit. */
export function powers(low, high, most = 8) {
  const first = Math.ceil(Math.log10(low) - 1e-9);
  const last = Math.floor(Math.log10(high) + 1e-9);
  const step = Math.max(1, Math.ceil((last - first + 1) / most));
  const found = [];
  for (let power = Math.ceil(first / step) * step; power <= last; power += step) found.push(Number(`1e${power}`));
  return found;
}

/** A number of an axis: as short as it can be. */
export function short(x) {
  const text = number(x, 3);
  return /^[−\d]+\.\d*0+$/.test(text) ? text.replace(/\.?0+$/, "") : text.replace(/\.0+e/, "e");
}

/** From numbers to percentages of the plane, from one side of it to the other. */
export function scale(low, high, from = 0, to = 100) {
  const span = high - low || 1;
  return (x) => from + ((to - from) * (x - low)) / span;
}

/** Lines across the plane at these heights, each with its number. */
export function levels(values, y) {
  return values.map((value) => [
    svg("line", { class: value === 0 ? "zero" : "grid", x1: "0%", x2: "100%", y1: `${y(value)}%`, y2: `${y(value)}%` }),
    svg("text", { class: "tick", x: 2, y: `${y(value)}%`, dy: -3 }, short(value)),
  ]);
}

/** A plane for a plot of fixed height; `unit` names its axes. */
export function plane(up, across, ...children) {
  return h("div", { class: "plane" },
    h("p", { class: "axis" }, up),
    svg("svg", { class: "plot" }, children),
    h("p", { class: "axis across" }, across));
}
