// One job: what it does, and how it ended.

import { announce, attempt, h } from "../dom.js";
import { moment, seconds, sentence } from "../format.js";
import { lasting } from "../panel.js";
import * as state from "../state.js";
import { following } from "../stream.js";
import { ENDED, duration, progressOf, told } from "./jobs.js";

export const panel = {
  sources: ({ job, published }) => [`jobs/${job}`, published ? `metrics?job_id=${job}` : null],
  draw(body, [job, compared], context) {
    const [facts, progress, actions] = lasting(body, () => [h("div"), h("div", { class: "progress" }), cancelling(job, context)]);
    const show = (now) => {
      facts.replaceChildren(...verdictOf(compared), ...factsOf(now));
      progress.replaceChildren(...progressed(now));
      actions.hidden = ENDED.includes(now.status);
    };
    show(job);
    if (!ENDED.includes(job.status) && following() !== job.id) {
      context.follow(job.id, (now) => {
        show(now);
        if (ENDED.includes(now.status)) announce(`The job has ${now.status}.`);
      });
    }
  },
};

function verdictOf(compared) {
  if (!compared?.verdict) return [];
  return [h("p", { class: "lead" }, h("a", { href: state.link({ at: "comparison" }, state.all()) }, sentence(compared.verdict.summary)))];
}

function factsOf(job) {
  const dataset = job.config.dataset.name ?? "triples";
  const facts = [
    ["Dataset", h("a", { href: state.link({ dataset }) }, dataset)],
    ["Posted", moment(job.created_at)],
    ["Took", seconds(duration(job))],
    ["Networks", job.config.models.join(", ")],
  ];
  const versions = job.results.map(({ model, version, refused }) => h("p", { class: refused ? "refusal" : null },
    h("a", { href: state.link({ dataset, network: model, version }) }, `${model}, version ${version}`), refused ? ` did not take over: ${refused}` : ""));
  return [h("p", { class: "lead", id: "job-state" }, told(job)),
    h("dl", { class: "facts" }, facts.map(([what, value]) => h("div", null, h("dt", null, what), h("dd", null, value)))), ...versions];
}

function progressed(job) {
  const { status, progress } = job;
  if (status !== "running" || !progress) return [];
  const value = progress.epochs > 1 ? progress.epoch : null; // one step is of unknown length
  return [h("progress", { max: progress.epochs, value, "aria-label": progressOf(job) })];
}

function cancelling(job, context) {
  const said = h("div");
  const cancel = () => attempt(button, said, async () => {
    await context.api.post(`jobs/${job.id}/cancel`);
    await context.refresh();
  });
  const button = h("button", { id: "cancel", on: { click: cancel } }, "Cancel the job");
  return h("div", { class: "actions" }, button, said);
}
