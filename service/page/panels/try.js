// Try it: a real row in a form, and what is predicted for it.

import { attempt, field, h, select } from "../dom.js";
import { seconds, value } from "../format.js";
import { lasting } from "../panel.js";

const path = encodeURIComponent;

export const panel = {
  sources: ({ dataset }) => [
    `datasets/${path(dataset)}/example`,
    `datasets/${path(dataset)}`,
    dataset === "triples" ? null : `datasets/${path(dataset)}/rows?limit=100`,
  ],
  draw(body, [example, description, rows], context) {
    lasting(body, () => [form(example, description, rows?.rows ?? triples(), context)]);
  },
};

/** Rows of the built-in dataset, whose target is known everywhere. */
function triples() {
  const points = [[0.5, 0.5, 0.5], [0.1, 0.9, 0.3], [0.75, 0.2, 0.6], [0.995, 0, 0.4]];
  return points.map(([x0, x1, x2]) => ({ x0, x1, x2, y: x0 * x0 + x0 * x1 + x1 * x2 + x2 * x2 }));
}

function form(example, description, rows, context) {
  const { subject } = context;
  const fixed = Boolean(subject.version && context.state.get("version"));
  const inputs = description.features.map((feature) => [feature, input(feature, description.profile)]);
  const said = h("div", { "aria-live": "polite", class: "answer" });
  const calls = h("div");
  const button = h("button", { class: "first" }, "Predict");
  let place = 0;
  const fill = () => {
    for (const [{ name, type }, element] of inputs) element.value = written(rows[place][name], type);
    said.replaceChildren();
    show();
  };
  const another = () => {
    place = (place + 1) % rows.length;
    fill();
  };
  const question = () => ({
    dataset: subject.dataset,
    instances: [Object.fromEntries(inputs.map(([{ name, type }, element]) => [name, read(element.value, type)]).filter(([, given]) => given !== null))],
    ...(fixed && { model: subject.network, version: Number(subject.version) }),
  });
  const show = () => calls.replaceChildren(...asCode(question(), context.api.key()));
  const isARow = () => inputs.every(([{ name, type }, element]) => element.value === written(rows[place][name], type));
  const submit = (event) => {
    event.preventDefault();
    attempt(button, said, async () => {
      const began = performance.now();
      const answer = await context.api.post("predict", question());
      said.replaceChildren(answered(answer, example, (performance.now() - began) / 1000, isARow() ? rows[place][example.target] : undefined));
    });
  };
  const made = h("form", { novalidate: true, on: { submit, input: show } },
    h("p", { class: "quiet" }, subject.dataset === "triples" ? "One of the triples is filled in." : "A row of the table is filled in; it may be one that the networks have learned from."),
    h("div", { class: "fields" }, inputs.map(([{ name }, element]) => field(name, element))),
    inputs.map(([{ name }, element]) => element.hasAttribute("list") && values(element, name, description.profile)),
    h("div", { class: "actions" }, button, rows.length > 1 && h("button", { type: "button", on: { click: another } }, "Another row")),
    said, h("details", null, h("summary", null, "The same call from elsewhere"), calls));
  fill();
  return made;
}

function input({ name, type }, profile) {
  const about = profile.find((column) => column.name === name);
  const id = `try-${name}`;
  if (type === "boolean") return select(id, [["", "missing"], "true", "false"]);
  const made = h("input", { id, autocomplete: "off", inputmode: type === "number" ? "decimal" : null });
  if (type === "number" && about?.least !== null && about?.least !== undefined) made.title = `from ${about.least} to ${about.greatest}`;
  if (type !== "number" && about?.most_frequent.length) {
    made.setAttribute("list", `${id}-values`);
  }
  return made;
}

/** The values that a text has most often, to choose from. */
function values({ id, list }, name, profile) {
  const frequent = profile.find((column) => column.name === name)?.most_frequent ?? [];
  return list === null && frequent.length ? h("datalist", { id: `${id}-values` }, frequent.map(([each]) => h("option", { value: each }))) : null;
}

function written(given, type) {
  if (given === null || given === undefined) return "";
  return type === "boolean" ? String(Boolean(given)) : String(given);
}

/** A value as it goes to the service; null is missing. What is no number goes as it is. */
function read(text, type) {
  const given = text.trim();
  if (given === "") return null;
  if (type === "boolean") return given === "true";
  return type === "number" && Number.isFinite(Number(given)) ? Number(given) : given;
}

function answered({ predictions: [predicted], model, version }, { target, task, classes }, took, actual) {
  const facts = [[task === "binary" ? `probability of ${classes[1]}` : target, value(predicted)]];
  if (actual !== undefined && actual !== null) facts.push([`true ${target}`, value(actual)]);
  facts.push(["by", `${model}, version ${version}`], ["there and back", seconds(took)]);
  return h("dl", { class: "figures" }, facts.map(([what, said]) => h("div", null, h("dt", null, what), h("dd", null, said))));
}

function asCode(body, key) {
  const url = new URL("predict", document.baseURI);
  const json = JSON.stringify(body);
  const curl = [`curl ${url}`, "-H 'Content-Type: application/json'", ...(key ? ['-H "X-API-Key: $CROSSCHECK_API_KEY"'] : []),
    `-d '${json.replaceAll("'", "'\\''")}'`].join(" \\\n     ");
  const python = ["import httpx", ...(key ? ["import os"] : []), "", `body = ${inPython(body)}`,
    ...(key ? ['headers = {"X-API-Key": os.environ["CROSSCHECK_API_KEY"]}'] : []),
    `answer = httpx.post("${url}", json=body${key ? ", headers=headers" : ""})`, 'print(answer.raise_for_status().json()["predictions"])'].join("\n");
  return [["curl", curl], ["Python, with httpx", python]].map(([name, code]) =>
    h("figure", { class: "code" }, h("figcaption", null, name), h("pre", { tabindex: 0, role: "group", "aria-label": name }, code), copy(code)));
}

function inPython(given) {
  if (given === null) return "None";
  if (typeof given === "boolean") return given ? "True" : "False";
  if (Array.isArray(given)) return `[${given.map(inPython).join(", ")}]`;
  if (typeof given !== "object") return JSON.stringify(given);
  return `{${Object.entries(given).map(([name, each]) => `${JSON.stringify(name)}: ${inPython(each)}`).join(", ")}}`;
}

function copy(code) {
  if (!navigator.clipboard) return null;
  const button = h("button", { type: "button", class: "plain", on: { click: async () => {
    await navigator.clipboard.writeText(code);
    button.textContent = "Copied";
  } } }, "Copy");
  return button;
}
