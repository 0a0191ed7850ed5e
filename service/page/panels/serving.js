// What serves, dataset by dataset, beside the baselines' errors.

import { attempt, h, table } from "../dom.js";
import { first } from "../first.js";
import { count, moment, number, score } from "../format.js";
import { lasting } from "../panel.js";
import * as state from "../state.js";

const BASELINES = ["mean", "linear", "products", "trees", "biases"];

export const panel = {
  every: 10,
  sources: () => [first(state.all())],
  draw(body, [page], context) {
    const [, found] = lasting(body, () => [search(context), h("div")]);
    const { datasets } = page;
    const isNew = datasets.length === 1 && !datasets[0].default && !state.get("q") && !state.get("after");
    found.replaceChildren(...(isNew ? [begin(context)] : list(page)));
    body.firstChild.hidden = isNew;
  },
};

function search(context) {
  let waiting;
  const change = (event) => {
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      state.set({ q: event.target.value, after: null });
      context.refresh("serving");
    }, 150);
  };
  const input = h("input", { id: "q", type: "search", value: state.get("q"), placeholder: "a part of its name", on: { input: change } });
  return h("div", { class: "field inline" }, h("label", { for: "q" }, "Find a dataset"), input);
}

function begin({ may, api, state }) {
  const said = h("div");
  const train = async () => state.go({ dataset: "triples", job: (await api.post("train", {})).id });
  const button = h("button", { on: { click: () => attempt(button, said, train) } }, "Train the built-in example");
  return h("div", null,
    h("p", { class: "lead" }, "Nothing is trained yet."),
    may("train")
      ? h("div", null, h("p", null, "Drop a table of yours ", h("a", { href: state.link({ at: "upload" }) }, "below"), ", and see whether a cross network predicts it better than a dense one, and either of them better than boosted trees. Or begin with the built-in example:"),
        h("div", { class: "actions" }, button), said)
      : h("p", null, "With a key that may train, this page takes a table and trains on it."),
    h("p", { class: "quiet" }, "The example is the dataset ", h("a", { href: state.link({ dataset: "triples" }) }, "triples"), ", whose target is a sum of products of its three features."));
}

function list({ datasets, next_cursor }) {
  if (!datasets.length) return [h("p", { class: "quiet" }, "No dataset has such a name.")];
  const columns = BASELINES.filter((name) => datasets.some(({ baselines }) => name in baselines));
  const headings = ["Dataset", "Answers", "Since", "Error", "Its score", ...columns, "Rows"];
  const rows = datasets.map((each) => [
    h("a", { href: state.link({ dataset: each.dataset }) }, each.dataset),
    each.default ? `${each.default.model}, version ${each.default.version}` : h("span", { class: "quiet" }, "nothing yet"),
    moment(each.since),
    number(each.error),
    each.error === null ? "–" : score(each.score),
    ...columns.map((name) => number(each.baselines[name])),
    count(each.rows),
  ]);
  const numbers = [3, ...columns.map((_, index) => index + 5), columns.length + 5];
  return [table("What answers in each dataset", headings, rows, numbers), pages(next_cursor)];
}

function pages(next) {
  const links = [];
  if (state.get("after")) links.push(h("a", { href: state.link({ after: null }, state.all()) }, "First page"));
  if (next) links.push(h("a", { href: state.link({ after: next }, state.all()) }, "Next page"));
  return h("nav", { class: "pages", "aria-label": "Pages of datasets" }, links);
}
