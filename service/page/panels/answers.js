// What answers in one dataset, and how good that is.

import { h } from "../dom.js";
import { moment, number, score, tested } from "../format.js";
import * as state from "../state.js";

const path = encodeURIComponent;

export const panel = {
  every: 10,
  sources: ({ dataset, network }) => [
    `models?dataset=${path(dataset)}&limit=1`,
    `metrics?dataset=${path(dataset)}`,
    network ? `models/${path(dataset)}/${network}/history?limit=1` : null,
  ],
  draw(body, [{ default: chosen }, { models }, history], { subject, may, reopen }) {
    if (chosen?.model !== subject.network || (chosen && String(chosen.version) !== subject.version)) return reopen();
    if (!chosen) {
      body.replaceChildren(h("p", { class: "lead" }, "Nothing is trained on it yet."),
        may("train") && h("p", null, "The form below has a recipe filled in. Press ", h("strong", null, "Train"),
          " to see whether cross beats dense, and either of them simpler models. A small table takes seconds."));
      return;
    }
    const row = models[chosen.model];
    const name = tested(row);
    const others = Object.entries(models).filter(([, other]) => !("version" in other));
    body.replaceChildren(
      h("p", { class: "lead" }, `${chosen.model}, `,
        h("a", { href: state.link({ dataset: subject.dataset, network: chosen.model, version: chosen.version }) }, `version ${chosen.version}`),
        ", since ", moment(history?.changes[0]?.changed_at)),
      h("dl", { class: "figures" }, [[`its ${score(name)}`, row[name]], ...others.map(([other, of]) => [`that of ${other}`, of[name]])]
        .map(([what, value]) => h("div", null, h("dt", null, what), h("dd", null, number(value))))),
      h("p", { class: "quiet" }, `It answers because ${chosen.reason.replace(/\d+\.\d{5,}/g, (digits) => number(Number(digits)))}.`));
  },
};
