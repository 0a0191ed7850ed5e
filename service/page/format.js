// Numbers, durations and times as people read them.

import { h } from "./dom.js";

/** A measured number, with five digits; "–" for none. */
export function number(x, digits = 5) {
  if (x === null || x === undefined || !Number.isFinite(x)) return "–";
  const size = Math.abs(x);
  if (size === 0) return "0";
  if (size < 1e-3 || size >= 1e7) return x.toExponential(Math.min(digits - 1, 3)).replace("-", "−").replace("e−", "e-");
  const text = size >= 10 ** (digits - 1) ? Math.round(x).toLocaleString("en") : x.toPrecision(digits);
  return text.replace("-", "−");
}

/** A value of a table: whole numbers as they are. */
export function value(x) {
  if (typeof x !== "number") return x === null || x === undefined ? "–" : String(x);
  return Number.isInteger(x) && Math.abs(x) < 1e15 ? String(x).replace("-", "−") : number(x);
}

/** A count: 53,940. */
export function count(n) {
  return n === null || n === undefined ? "–" : n.toLocaleString("en");
}

/** A size: 12.3 MB. */
export function bytes(n) {
  const power = Math.max(0, Math.min(3, Math.floor(Math.log10(n || 1) / 3)));
  return `${power ? (n / 1000 ** power).toFixed(1) : n} ${["bytes", "kB", "MB", "GB"][power]}`;
}

/** "1 row", "2 rows". */
export function several(n, one, many = `${one}s`) {
  return `${count(n)} ${n === 1 ? one : many}`;
}

/** A duration. */
export function seconds(s) {
  if (s === null || s === undefined) return "–";
  if (s < 1) return `${Math.round(s * 1000)} ms`;
  if (s < 100) return `${s.toFixed(1)} s`;
  if (s < 6000) return `${Math.floor(s / 60)} min ${Math.round(s % 60)} s`;
  return `${Math.floor(s / 3600)} h ${Math.round((s % 3600) / 60)} min`;
}

/** A time, in the zone of who reads it; the exact one is in its title. */
export function moment(iso) {
  if (!iso) return "–";
  const at = new Date(iso);
  const two = (n) => String(n).padStart(2, "0");
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return h("time", { datetime: iso, title: iso }, `${day} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`);
}

const WORDS = { rmse: "RMSE", mse: "MSE", mae: "MAE", r2: "R²", auc: "AUC", log: "log", brier: "Brier score", eval: "test" };

/** `test_rmse` as "test RMSE". */
export function score(name) {
  return name.split("_").map((word) => WORDS[word] ?? word).join(" ");
}

/** The score by which versions are told apart on rows that nobody has chosen by. */
export function tested(scores) {
  return ["eval_rmse", "test_rmse", "test_log_loss"].find((name) => name in scores);
}

/** What the service says, as a sentence. */
export function sentence(text) {
  return `${text[0].toUpperCase()}${text.slice(1)}.`;
}
