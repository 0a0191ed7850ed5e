// One version, and what it knows of itself.

import { h, table } from "../dom.js";
import { count, moment, number, score, seconds } from "../format.js";
import * as state from "../state.js";

export const panel = {
  sources: ({ dataset, network, version }) => [`models/${encodeURIComponent(dataset)}/${network}/versions/${version}`],
  draw(body, [{ serving, metadata }], { subject }) {
    const facts = [
      ["State", serving ? "serves" : metadata.refused ? `refused: ${metadata.refused}` : "does not serve"],
      ["Made", moment(metadata.created_at)],
      ["By the job", h("a", { href: state.link({ dataset: subject.dataset, job: metadata.job_id }) }, metadata.job_id)],
      ["Parameters", count(metadata.parameters)],
      ["Training", seconds(metadata.fit_seconds)],
      ["Starts", metadata.attempts.map(({ outcome }) => outcome).join(", ")],
    ];
    const scores = Object.entries(metadata.scores).map(([name, value]) => [score(name), number(value), number(metadata.baseline[name])]);
    body.replaceChildren(
      h("dl", { class: "facts" }, facts.map(([what, value]) => h("div", null, h("dt", null, what), h("dd", null, value)))),
      table("Its scores, and those of the mean predictor on the same rows", ["Score", "Its own", "The mean's"], scores, [1, 2]),
      h("details", null, h("summary", null, "How it was trained"), h("pre", { tabindex: 0 }, JSON.stringify(metadata.config, null, 2))));
  },
};
