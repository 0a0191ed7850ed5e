// Jobs, newest first: all, or those of one dataset.

import { attempt, h, select, table, unseen } from "../dom.js";
import { moment, seconds } from "../format.js";
import { lasting } from "../panel.js";
import * as state from "../state.js";
import { following } from "../stream.js";

export const ENDED = ["succeeded", "failed", "cancelled"];
const NETWORKS = ["dense", "cross", "deep_cross"];
const STATUSES = [["", "all"], "queued", "running", ...ENDED];

export const panel = {
  every: 10,
  sources: ({ dataset }) => [`jobs?${parameters(dataset)}`],
  draw(body, [page], context) {
    const [, said, found] = lasting(body, () => [filter(context), h("div"), h("div")]);
    found.replaceChildren(...list(page, said, context));
    followFirst(page.jobs, found, said, context);
  },
};

function parameters(dataset) {
  const asked = new URLSearchParams({ limit: 20 });
  if (dataset) asked.set("dataset", dataset);
  if (state.get("status")) asked.set("status", state.get("status"));
  if (state.get("older")) asked.set("cursor", state.get("older"));
  return asked;
}

function filter(context) {
  const change = (event) => {
    state.set({ status: event.target.value, older: null });
    context.refresh("jobs");
  };
  const chosen = select("job-status", STATUSES, state.get("status") ?? "", change);
  return h("div", { class: "field inline" }, h("label", { for: "job-status" }, "Show"), chosen);
}

function list({ jobs, next_cursor }, said, context) {
  if (!jobs.length) return [h("p", { class: "quiet" }, "There are none.")];
  const rows = jobs.map((job) => Object.assign(row(job, said, context), { id: `job-${job.id}` }));
  const headings = ["Job", "Dataset", "Posted", "Took", "State", unseen("Action")];
  const links = [];
  if (state.get("older")) links.push(h("a", { href: state.link({ older: null }, state.all()) }, "Newest"));
  if (next_cursor) links.push(h("a", { href: state.link({ older: next_cursor }, state.all()) }, "Older"));
  return [table("Jobs, newest first", headings, rows, [3]), h("nav", { class: "pages", "aria-label": "Pages of jobs" }, links)];
}

function row(job, said, context) {
  const dataset = job.config.dataset.name ?? "triples";
  const cancel = () => attempt(button, said, async () => {
    await context.api.post(`jobs/${job.id}/cancel`);
    await context.refresh("jobs");
  });
  const button = h("button", { id: `cancel-${job.id}`, "aria-label": `Cancel the job ${job.id.slice(0, 8)}`, on: { click: cancel } }, "Cancel");
  return [
    h("a", { href: state.link({ dataset, job: job.id }) }, job.id.slice(0, 8)),
    dataset,
    moment(job.created_at),
    seconds(duration(job)),
    told(job),
    ENDED.includes(job.status) ? "" : button,
  ];
}

/** The seconds that a job has run for; null if it has not begun. */
export function duration({ started_at, finished_at }) {
  return started_at ? (new Date(finished_at ?? Date.now()) - new Date(started_at)) / 1000 : null;
}

/** What a job does, or how it ended, in words. */
export function told(job) {
  if (job.waiting_for) return h("span", { class: "bad" }, `${job.status}, but ${job.waiting_for}`);
  if (job.status === "failed") return h("span", { class: "bad" }, `failed: ${job.error}`);
  if (job.status === "running" && job.progress) return `running: ${progressOf(job)}`;
  if (job.status !== "succeeded") return job.status;
  return `succeeded: ${job.results.map(({ model, version, refused }) => `${model} version ${version}${refused ? " (refused)" : ""}`).join(", ")}`;
}

export function progressOf({ progress: { model, epoch, epochs }, config }) {
  if (!NETWORKS.includes(model)) return `the baseline ${model}`;
  const of = config.patience === null ? "of" : "of at most";
  return `${model}, ${epochs > 1 ? `epoch ${epoch} ${of} ${epochs}` : "in one step"}`;
}

/** The one event stream of the tab is that of the job that runs, or that is next. */
function followFirst(jobs, found, said, context) {
  const open = jobs.filter(({ status }) => !ENDED.includes(status));
  const next = open.find(({ status }) => status === "running") ?? open.at(-1);
  if (!next || following() === next.id) return;
  context.follow(next.id, (job) => {
    const place = found.querySelector(`#job-${CSS.escape(job.id)}`);
    if (!place) return;
    place.cells[3].textContent = seconds(duration(job));
    place.cells[4].replaceChildren(told(job));
  });
}
