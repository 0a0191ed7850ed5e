// The form of a job: its defaults are the dataset's recipe, or what another job was trained by.

import { attempt, field, h, select } from "../dom.js";
import * as state from "../state.js";

const NETWORKS = ["dense", "cross", "deep_cross"];
const BASELINES = ["linear", "products", "trees", "biases"];
const OPTIMIZERS = ["adagrad", "adam", "adamw", "nadam", "rmsprop", "sgd", "levenberg_marquardt"];
const PROMOTE = [["if_better", "if it is no worse"], ["always", "always"], ["never", "never"]];

// Of each: its place in the config, its label, how it is written, and what to know of it.
const FIRST = [
  ["epochs", "Epochs", "whole"],
  ["repeats", "Repeats", "whole", "Trainings of each network; the comparison has their spread."],
  ["seed", "Seed", "whole"],
];
const MORE = [
  ["batch_size", "Batch size", "whole", "Of a table, empty: by its rows."],
  ["patience", "Patience", "whole", "Epochs without a smaller validation loss; empty: none."],
  ["optimizer.learning_rate", "Learning rate", "real", "Empty: the optimizer's own."],
  ["restarts", "Starts", "whole", "Of which the best is kept."],
  ["ensemble", "Ensemble", "whole", "Starts whose mean is one network."],
  ["dropout", "Dropout", "real"],
  ["weight_decay", "Weight decay", "real"],
  ["dense.hidden_units", "Hidden units of dense", "list"],
  ["cross.layers", "Layers of cross", "whole"],
  ["cross.rank", "Rank of cross", "whole", "Empty: whole kernels."],
  ["deep_cross.layers", "Cross layers of deep_cross", "whole"],
  ["deep_cross.hidden_units", "Hidden units of deep_cross", "list"],
  ["dataset.size", "Rows", "whole", "Of triples, drawn anew for each job."],
];

const drawn = new WeakMap();

export const panel = {
  sources: ({ dataset, job }) => [job ? `jobs/${job}` : `datasets/${encodeURIComponent(dataset)}/recipe${state.get("preset") ? `?preset=${state.get("preset")}` : ""}`],
  draw(body, [said], context) {
    const { job } = context.subject;
    const made = job ?? state.get("preset") ?? "";
    if (drawn.get(body) === made && body.querySelector("form")) return; // what was typed in stays
    drawn.set(body, made);
    body.replaceChildren(form(job ? said.config : said, context));
  },
};

function form(config, context) {
  const again = Boolean(context.subject.job);
  const said = h("div");
  const sent = h("pre", { tabindex: 0, id: "sent" });
  const button = h("button", { class: "first" }, again ? "Train again" : "Train");
  const made = h("form", { novalidate: true }, !again && presets(config, context),
    checks("models", "Networks", NETWORKS, config), checks("baselines", "Baselines, simpler models to beat", BASELINES, config),
    h("div", { class: "fields" }, FIRST.map((each) => input(each, config)),
      field("What is trained takes over", select("train-promote", PROMOTE, config.promote))),
    h("details", null, h("summary", null, "More"),
      h("div", { class: "fields" }, field("Optimizer", select("train-optimizer", OPTIMIZERS, config.optimizer.name)), MORE.map((each) => input(each, config)))),
    h("div", { class: "actions" }, button), said,
    h("details", null, h("summary", null, "What is posted"), sent));
  const show = () => {
    sent.textContent = `POST train\n${JSON.stringify(asked(made, config, context), null, 2)}`;
  };
  const submit = (event) => {
    event.preventDefault();
    attempt(button, said, async () => {
      const job = await context.api.post("train", asked(made, config, context));
      context.state.go({ dataset: job.config.dataset.name ?? "triples", job: job.id });
    });
  };
  made.addEventListener("input", show);
  made.addEventListener("submit", submit);
  show();
  return made;
}

function presets(config, context) {
  const ofTable = config.dataset.kind === "table";
  const options = [["", ofTable ? "the recipe for tables" : "the experiment"], ...(ofTable ? [] : [["seed", "the experiment as published"]]),
    ["best", ofTable ? "the best that is known (minutes)" : "the best that is known"]];
  const change = (event) => {
    state.set({ preset: event.target.value });
    context.refresh("train");
  };
  return h("div", { class: "fields" }, field("Recipe", select("train-preset", options, state.get("preset") ?? "", change)));
}

function checks(name, label, options, config) {
  return h("fieldset", { class: "inline" }, h("legend", null, label), options.map((option) =>
    h("label", null, h("input", { type: "checkbox", name, value: option, checked: config[name].includes(option) }), ` ${option}`)));
}

function input([place, label, kind, hint], config) {
  const value = at(config, place);
  if (value === undefined && place !== "optimizer.learning_rate") return null;
  const id = `train-${place.replace(".", "-")}`;
  const shown = Array.isArray(value) ? value.join(", ") : value ?? "";
  return field(label, h("input", { id, name: place, "data-kind": kind, inputmode: kind === "list" ? null : "decimal", autocomplete: "off", value: shown }), hint);
}

function at(config, place) {
  return place.split(".").reduce((part, name) => part?.[name], config);
}

/** What is posted: what differs from the recipe, or the whole of another job's with the changes. */
function asked(made, config, { subject }) {
  const changes = changed(made, config);
  if (subject.job) return { ...config, ...Object.fromEntries(Object.entries(changes).map(([name, value]) => [name, merged(config[name], value)])) };
  const preset = state.get("preset");
  const { dataset, ...others } = changes;
  return { dataset: dataset ? { ...config.dataset, ...dataset } : subject.dataset, ...(preset && { preset }), ...others };
}

/** Another optimizer takes nothing over from the one before. */
function merged(before, value) {
  const isPart = value && typeof value === "object" && !Array.isArray(value);
  return isPart && !(value.name && value.name !== before.name) ? { ...before, ...value } : value;
}

function changed(made, config) {
  const changes = {};
  for (const name of ["models", "baselines"]) {
    const chosen = [...made.querySelectorAll(`[name=${name}]:checked`)].map(({ value }) => value);
    if (chosen.join() !== config[name].join()) changes[name] = chosen;
  }
  const promote = made.querySelector("#train-promote").value;
  if (promote !== config.promote) changes.promote = promote;
  const optimizer = made.querySelector("#train-optimizer").value;
  if (optimizer !== config.optimizer.name) changes.optimizer = { name: optimizer };
  for (const each of made.querySelectorAll("[data-kind]")) {
    const value = read(each);
    const [part, name] = each.name.split(".");
    if (JSON.stringify(value) === JSON.stringify(at(config, each.name) ?? null)) continue;
    if (each.name === "optimizer.learning_rate" && value === null) continue;
    if (name) changes[part] = { ...(part === "optimizer" && { name: optimizer }), ...changes[part], [name]: value };
    else changes[part] = value;
  }
  if (changes.optimizer && optimizer !== config.optimizer.name) {
    const rate = read(made.querySelector("[name='optimizer.learning_rate']"));
    if (rate === config.optimizer.learning_rate) delete changes.optimizer.learning_rate;
  }
  return changes;
}

/** What is no number goes as it is: the service says what is wrong with it. */
function read({ value, dataset }) {
  const text = value.trim();
  const number = (each) => (each.trim() !== "" && Number.isFinite(Number(each)) ? Number(each) : each);
  if (dataset.kind === "list") return text.split(",").map(number);
  return text === "" ? null : number(text);
}
