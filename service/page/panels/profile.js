// The table itself: its columns, and what is in them.

import { ask, attempt, h, table } from "../dom.js";
import { count, moment, number, several, value } from "../format.js";
import { send } from "../sending.js";
import * as state from "../state.js";

const FEW = 30;

export const panel = {
  sources: ({ dataset }) => [`datasets/${encodeURIComponent(dataset)}`],
  draw(body, [about], context) {
    const all = state.get("columns") === "all";
    const columns = all ? about.profile : about.profile.slice(0, FEW);
    const showAll = () => {
      state.set({ columns: all ? null : "all" });
      this.draw(body, [about], context);
    };
    const rows = columns.map((column) => [
      column.name,
      column.role === "feature" ? column.type : `${column.type}, ${column.role === "target" ? "the target" : "no feature"}`,
      count(column.missing),
      column.distinct === null ? "many" : count(column.distinct),
      value(column.least),
      value(column.greatest),
      number(column.mean),
      h("span", null, column.most_frequent.map(([each, times]) => `${each} (${count(times)})`).join(", "),
        column.notes.length ? h("strong", { class: "bad" }, ` ${column.notes.join("; ")}`) : ""),
    ]);
    body.replaceChildren(
      h("p", null, `${several(about.rows, "row")}, ${several(about.features.length, "feature")}; `, h("strong", null, about.target), " is to be learned, ",
        about.task === "binary" ? `a class: ${about.classes.join(" or ")}` : "a number", ".", about.revision ? ` Revision ${about.revision}, of ` : "", about.revision ? moment(about.created_at) : "", about.revision ? "." : ""),
      about.notes.length ? h("ul", { class: "notes" }, about.notes.map((note) => h("li", null, note))) : "",
      table("The columns", ["Column", "Type", "Missing", "Distinct", "Least", "Greatest", "Mean", "Most frequent"], rows, [2, 3, 4, 5, 6]),
      about.profile.length > FEW ? h("button", { id: "columns", class: "plain", on: { click: showAll } }, all ? "Show the first alone" : `Show all ${count(about.profile.length)} columns`) : "",
      about.revision ? changing(about, context) : "");
  },
};

function changing(about, { may, api, state, refresh }) {
  const said = h("div");
  const path = `datasets/${encodeURIComponent(about.name)}`;
  const put = () => attempt(file, said, async () => {
    const asked = new URLSearchParams();
    for (const [name, value] of Object.entries({ target: about.target, ...about.options })) {
      for (const each of [value].flat()) asked.append(name, each);
    }
    await send(`${path}?${asked}`, file.files[0], said);
    said.replaceChildren();
    await refresh();
  });
  const file = h("input", { id: "revision", type: "file", on: { change: put } });
  const remove = () => attempt(button, said, async () => {
    const question = `The dataset ${about.name} goes for good, with its ${several(about.revisions.length, "revision")} and all models that were trained on it.`;
    if (!(await ask(question, "Delete it"))) return;
    await api.remove(path);
    state.go({});
  });
  const button = h("button", { on: { click: remove } }, "Delete the dataset");
  return h("div", null,
    may("train") && h("div", { class: "field" }, h("label", { for: "revision" }, "A newer file with the same columns"), file),
    may("admin") && h("div", { class: "actions" }, button), said);
}
