// The versions of each network, what served when, and who may serve next.

import { announce, ask, attempt, h, table, unseen } from "../dom.js";
import { moment, number, score, tested } from "../format.js";
import * as state from "../state.js";

const FEW = 8;
const PAGE = 50;
const CHANGES = 100;
const NETWORKS = ["dense", "cross", "deep_cross"];

export const panel = {
  sources: ({ dataset }) => {
    const path = encodeURIComponent(dataset);
    const all = state.get("all");
    return [
      `models?dataset=${path}&limit=${FEW}`,
      ...NETWORKS.map((network) => `models/${path}/${network}/history?limit=${CHANGES}`),
      NETWORKS.includes(all) ? `models/${path}/${all}?${page()}` : null,
    ];
  },
  draw(body, [{ models }, ...others], context) {
    const all = others.pop();
    const known = models
      .map((model, index) => ({ ...model, ...(all?.name === model.name && all), history: others[index].changes }))
      .filter(({ versions }) => versions.length);
    body.replaceChildren(...(known.length ? known.map((model) => network(model, context)) : [h("p", { class: "quiet" }, "There are none yet.")]));
  },
};

function network(model, context) {
  const { name, versions, history, serving } = model;
  const said = h("div");
  const key = tested(versions[0]);
  const served = new Set(history.map(({ version }) => version));
  const rows = versions.map((version) => [
    h("a", { href: state.link({ dataset: model.dataset, network: name, version: version.version }) }, `version ${version.version}`),
    moment(version.created_at),
    number(version[key]),
    h("a", { href: state.link({ dataset: model.dataset, job: version.job_id }) }, version.job_id.slice(0, 8)),
    told(version, served, history.length < CHANGES),
    context.may("admin") && !version.serving ? promote(model, version, said, context) : "",
  ]);
  return h("div", null,
    h("h3", null, h("span", { class: `series ${name}` }, name), h("small", null, serving ? ` version ${serving} serves` : " none serves")),
    table(`Versions of ${name}`, ["Version", "Made", score(key), "By the job", "State", unseen("Action")], rows, [2]), more(model), said, past(name, history));
}

function page() {
  const asked = new URLSearchParams({ limit: PAGE });
  if (state.get("before")) asked.set("cursor", state.get("before"));
  return asked;
}

/** Links to what is older, page by page, and back to the newest. */
function more({ name, next_cursor }) {
  const isAll = state.get("all") === name;
  const to = (changes, text) => h("a", { href: state.link(changes, state.all()) }, text);
  return h("nav", { class: "pages", "aria-label": `Pages of the versions of ${name}` },
    isAll && to({ all: null, before: null }, `The newest of ${name} alone`),
    isAll && state.get("before") && to({ before: null }, "Newest"),
    next_cursor && (isAll ? to({ before: next_cursor }, "Older") : to({ all: name, before: null }, `All of ${name}`)));
}

function told(version, served, isComplete) {
  if (version.serving) return h("span", { class: "good" }, "serves");
  if (version.refused) return h("span", { class: "bad" }, `refused: ${version.refused}`);
  if (served.has(version.version)) return "served before";
  return isComplete ? "never served" : "–";
}

function promote(model, version, said, context) {
  const older = model.serving && version.version < model.serving;
  const verb = older ? "Roll back" : "Promote";
  const instead = model.serving ? `It replaces version ${model.serving}${errorOf(model, model.serving)}.` : "Nothing of this network serves now.";
  const click = async () => {
    const question = `Version ${version.version} of ${model.name}${errorOf(model, version.version)} is to serve in ${model.dataset}. ${instead}`;
    if (!(await ask(question, verb))) return;
    await attempt(button, said, async () => {
      await context.api.put(`models/${encodeURIComponent(model.dataset)}/${model.name}/serving`, { version: version.version });
      announce(`Version ${version.version} of ${model.name} serves now.`);
      await context.refresh();
    });
  };
  const button = h("button", { id: `promote-${model.name}-${version.version}`, "aria-label": `${verb} version ${version.version} of ${model.name}`, on: { click } }, verb);
  return button;
}

function errorOf({ versions }, number_) {
  const version = versions.find(({ version }) => version === number_);
  const key = version && tested(version);
  return key ? ` (${score(key)} ${number(version[key])})` : "";
}

function past(name, history) {
  if (!history.length) return null;
  const rows = history.map((change) => [
    moment(change.changed_at),
    `version ${change.version}`,
    change.previous ? `version ${change.previous}` : "nothing",
    change.key ? `the key ${change.key}` : change.job_id ? `the job ${change.job_id.slice(0, 8)}` : "–",
    change.reason,
  ]);
  return h("details", null, h("summary", null, `What served of ${name}`),
    table(`What served of ${name}, newest change first`, ["Since", "Served", "Replaced", "By", "Reason"], rows));
}
