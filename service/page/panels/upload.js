// A new dataset: drop a file, look at it, choose the target.

import { announce, attempt, field, h, select, table } from "../dom.js";
import { several } from "../format.js";
import { lasting } from "../panel.js";
import { send } from "../sending.js";

const LOOK_BYTES = 64 * 1024;
const SHOWN_ROWS = 5;
const SHOWN_COLUMNS = 200;

// Each with its label and what to write; what is left empty is guessed by the service.
const OPTIONS = [
  ["exclude", "Leave out", "Columns to learn nothing from, like a customer's id; commas between."],
  ["categorical", "Codes", "Columns of whole numbers that are names, like a postal code: they are taken as text."],
  ["missing", "Missing values", "Texts that mean one, like ?"],
  ["delimiter", "Delimiter", "Of CSV."],
  ["decimal", "Decimal sign", "Of CSV."],
  ["encoding", "Encoding", "Of CSV, like windows-1252."],
];

export const panel = {
  sources: () => [],
  draw(body, _, context) {
    lasting(body, () => {
      const place = h("div");
      return [drop((file) => consider(file, place, context)), place];
    });
  },
};

function drop(take) {
  const input = h("input", { id: "file", type: "file", on: { change: () => input.files[0] && take(input.files[0]) } });
  const over = (event) => {
    event.preventDefault();
    zone.classList.add("over");
  };
  const dropped = (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    if (event.dataTransfer.files[0]) take(event.dataTransfer.files[0]);
  };
  const zone = h("div", { class: "drop", on: { dragover: over, dragleave: () => zone.classList.remove("over"), drop: dropped } },
    h("label", { for: "file" }, "Drop a file here, or choose one: CSV, Parquet, Arrow or JSON lines"), input);
  return zone;
}

async function consider(file, place, context) {
  const said = h("div");
  place.replaceChildren(h("p", { class: "quiet" }, `Looking at ${file.name} …`));
  const look = await beginning(file).catch(() => null);
  const name = h("input", { id: "dataset-name", autocomplete: "off", value: nameOf(file.name) });
  const target = look ? select("target", look.columns, look.columns.at(-1)) : h("input", { id: "target", autocomplete: "off" });
  const task = select("task", [["", "what it looks like"], ["regression", "a number"], ["binary", "one of two classes"]]);
  const drops = h("input", { id: "missing_target", type: "checkbox" });
  const options = OPTIONS.map(([option, label, hint]) => [option, h("input", { id: `option-${option}`, autocomplete: "off" }), label, hint]);
  const [exclude, ...others] = options.map(([, input, label, hint]) => field(label, input, hint));
  const button = h("button", { class: "first" }, "Upload");
  const asked = () => {
    const parameters = new URLSearchParams({ target: target.value });
    if (task.value) parameters.set("task", task.value);
    if (drops.checked) parameters.set("missing_target", "drop");
    for (const [option, input] of options) if (input.value.trim()) parameters.set(option, input.value.trim());
    return parameters;
  };
  const put = async () => {
    const dataset = name.value.trim();
    await send(`datasets/${encodeURIComponent(dataset)}?${asked()}`, file, said);
    announce(`${dataset} is uploaded.`);
    if (!context.signal.aborted) context.state.go({ dataset }); // who has gone elsewhere stays there
  };
  const submit = async (event) => {
    event.preventDefault();
    await attempt(button, said, put);
    const advice = leftOut(said.textContent);
    if (advice) said.append(without(advice, options[0][1], () => made.requestSubmit()));
  };
  const made = h("form", { novalidate: true, on: { submit } },
    look ? preview(look, file) : h("p", null, `${file.name}: its columns cannot be shown before it is uploaded.`),
    h("div", { class: "fields" }, field("Name of the dataset", name, "Small letters, digits, - and _."),
      field("Target", target, "The column to learn."), field("The target is", task), exclude),
    h("details", null, h("summary", null, "How it is read"),
      h("div", { class: "fields" }, others),
      h("label", null, drops, " Leave rows without a target out")),
    h("div", { class: "actions" }, button), said);
  place.replaceChildren(made);
  target.focus();
}

/** The column that a refusal says may be left out. */
function leftOut(text) {
  return /pass exclude=(.+?)(?: to|,|;|$)/.exec(text)?.[1]?.trim();
}

function without(column, exclude, again) {
  const click = () => {
    const others = exclude.value.split(",").map((each) => each.trim()).filter(Boolean);
    exclude.value = [...others, column].join(", ");
    again();
  };
  return h("button", { type: "button", on: { click } }, `Leave ${column} out, and try again`);
}

function nameOf(file) {
  const stem = file.replace(/(\.(csv|tsv|txt|parquet|arrow|ndjson|jsonl|json|gz|zst|deflate))+$/i, "");
  return stem.toLowerCase().replace(/[^a-z0-9_-]+/g, "-").replace(/^[-_]+|-+$/g, "").slice(0, 64) || "table";
}

function preview({ columns, rows }, file) {
  const shown = columns.slice(0, SHOWN_COLUMNS);
  const cells = rows.slice(0, SHOWN_ROWS).map((row) => shown.map((_, index) => String(row[index] ?? "")));
  return h("div", null, h("p", null, `${file.name}: ${several(columns.length, "column")}; its first rows:`),
    table(`The first rows of ${file.name}`, shown, cells));
}

/** The columns and first rows of a text, plain or by gzip; null of what is not text. */
async function beginning(file) {
  const head = new Uint8Array(await file.slice(0, 4).arrayBuffer());
  const magic = String.fromCharCode(...head);
  if (magic === "PAR1" || magic.startsWith("ARRO") || head[0] === 0xff && head[1] === 0xff || magic === "(µ/ý") return null;
  const isGzip = head[0] === 0x1f && head[1] === 0x8b;
  const bytes = isGzip ? await unpacked(file) : new Uint8Array(await file.slice(0, LOOK_BYTES).arrayBuffer());
  const encoding = bytes[0] === 0xff && bytes[1] === 0xfe ? "utf-16le" : bytes[0] === 0xfe && bytes[1] === 0xff ? "utf-16be" : "utf-8";
  const text = new TextDecoder(encoding).decode(bytes);
  if (text.includes("\0")) return null;
  return text.trimStart().startsWith("{") ? ofJson(text) : ofCsv(text);
}

async function unpacked(file) {
  const reader = file.stream().pipeThrough(new DecompressionStream("gzip")).getReader();
  const pieces = [];
  for (let size = 0; size < LOOK_BYTES; ) {
    const { value, done } = await reader.read();
    if (done) break;
    pieces.push(value);
    size += value.length;
  }
  await reader.cancel().catch(() => {});
  return new Uint8Array(await new Blob(pieces).arrayBuffer()).slice(0, LOOK_BYTES);
}

function ofJson(text) {
  const objects = text.split("\n").slice(0, SHOWN_ROWS).map((line) => JSON.parse(line));
  const columns = [...new Set(objects.flatMap(Object.keys))];
  return { columns, rows: objects.map((object) => columns.map((column) => object[column])) };
}

function ofCsv(text) {
  const first = text.slice(0, text.search(/\r?\n|$/));
  const delimiter = [",", ";", "\t", "|"].reduce((best, each) => (first.split(each).length > first.split(best).length ? each : best));
  const [columns, ...rows] = records(text, delimiter);
  return { columns: columns.map((column) => column.trim()), rows };
}

function records(text, delimiter) {
  const found = [[""]];
  let quoted = false;
  for (let at = 0; at < text.length && found.length <= SHOWN_ROWS + 1; at++) {
    const sign = text[at];
    const row = found.at(-1);
    if (sign === '"') {
      if (quoted && text[at + 1] === '"') row[row.length - 1] += text[++at];
      else quoted = !quoted;
    } else if (!quoted && sign === delimiter) row.push("");
    else if (!quoted && sign === "\n") found.push([""]);
    else if (sign !== "\r" || quoted) row[row.length - 1] += sign;
  }
  return found.filter((row) => row.length > 1 || row[0]);
}
