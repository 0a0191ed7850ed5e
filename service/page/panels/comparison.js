// The comparison of a job, or of what serves: the verdict, the errors, and each two held apart.

import { h, svg, table, unseen } from "../dom.js";
import { count, number, score, seconds, sentence, tested } from "../format.js";
import { lasting } from "../panel.js";
import * as state from "../state.js";
import { ENDED } from "./jobs.js";

const FAR_APART = 50; // the greatest error is so many times the least: a linear axis shows one bar

export const panel = {
  sources: ({ dataset, job, published }) => {
    if (job) return [published ? `metrics?job_id=${job}` : null];
    return [`metrics?dataset=${encodeURIComponent(dataset)}`];
  },
  draw(body, [compared], context) {
    const { models = {}, verdict } = compared ?? {};
    const rows = Object.entries(models);
    if (!rows.length) {
      const ended = ENDED.includes(context.subject.status);
      body.replaceChildren(h("p", { class: "quiet" }, ended ? "The job has published nothing." : "There is nothing to compare yet: that comes when the job has ended."));
      return;
    }
    const name = verdict?.score ?? tested(rows[0][1]);
    const [said, axis, errors, pairs] = lasting(body, () => [h("div"), h("div", { class: "inline" }), h("div"), h("div")]);
    const redraw = () => {
      const isLogarithmic = scale(rows, name) === "log";
      axis.replaceChildren(choice(isLogarithmic, redraw));
      errors.replaceChildren(listed(rows, name, isLogarithmic, context));
    };
    said.replaceChildren(h("p", { class: "lead" }, verdict ? sentence(verdict.summary) : "The rows are of different jobs: there is no verdict."), ...unfinished(rows), ...refusals(rows));
    redraw();
    pairs.replaceChildren(...(verdict ? apart(verdict, models) : []));
  },
};

function refusals(rows) {
  return rows.filter(([, row]) => row.refused).map(([name, row]) =>
    h("p", { class: "refusal" }, `${name}, version ${row.version}, did not take over: ${row.refused}`));
}

function unfinished(rows) {
  const learning = rows.filter(([, row]) => row.still_learning).map(([name]) => name);
  return learning.length ? [h("p", null, `Still learning when the epochs ended, and maybe better with more: ${learning.join(", ")}.`)] : [];
}

function scale(rows, name) {
  const chosen = state.get("scale");
  if (chosen) return chosen;
  const errors = rows.map(([, row]) => row[name]).filter((error) => error > 0);
  return Math.max(...errors) > FAR_APART * Math.min(...errors) ? "log" : "linear";
}

function choice(isLogarithmic, redraw) {
  const change = () => {
    state.set({ scale: isLogarithmic ? "linear" : "log" });
    redraw();
    document.getElementById("scale").focus();
  };
  return h("button", { id: "scale", class: "plain", on: { click: change } }, isLogarithmic ? "Bars on a linear axis" : "Bars on a logarithmic axis");
}

function listed(rows, name, isLogarithmic, { subject }) {
  const others = Object.keys(rows.at(-1)[1]).filter((key) => /^(test|eval|train|validation)_/.test(key) && key !== name && typeof rows.at(-1)[1][key] === "number");
  const kept = [...others.filter((key) => !/^(train|validation)_|mse$/.test(key)), ...others.filter((key) => /^train_(rmse|log_loss)$/.test(key))];
  const place = placing(rows, name, isLogarithmic);
  const repeated = rows.some(([, row]) => row.standard_deviation?.[name] !== undefined);
  const spread = repeated ? ["mean ± deviation"] : [];
  const headings = [unseen("Network or baseline"), score(name), ...spread, unseen("Bar"), ...kept.map(score), "Parameters", "Training", "Version"];
  const first = 3 + spread.length; // of the numbers behind the bar
  const cells = rows.map(([network, row]) => [
    h("span", { class: `series ${"version" in row ? network : "baseline"}` }, network),
    number(row[name]),
    ...spread.map(() => (row.standard_deviation?.[name] === undefined ? "–" : `${number(row.mean[name])} ± ${number(row.standard_deviation[name], 2)}`)),
    bar(network, row, name, place),
    ...kept.map((key) => number(row[key])),
    count(row.parameters),
    seconds(row.seconds),
    "version" in row ? versionOf(subject, network, row) : "–",
  ]);
  const axis = `on a ${isLogarithmic ? "logarithmic" : "linear"} axis`;
  const bars = repeated ? `Bars are the mean of the repeats, ${axis}; whiskers are their standard deviation.` : `Bars are ${axis}.`;
  const kinds = repeated ? "Scores are those of the version, the best of the repeats on the rows that choose; verdicts are of the mean. " : "";
  const caption = `The error of each network and baseline: ${score(name)}, less is better. ${kinds}${bars}`;
  const made = table(caption, headings, cells, [1, ...spread.map(() => 2), ...kept.map((_, index) => index + first), kept.length + first, kept.length + first + 1]);
  return h("figure", null, made, h("figcaption", { "aria-hidden": "true" }, caption));
}

function versionOf({ dataset, job }, network, row) {
  const link = h("a", { href: state.link({ dataset: dataset ?? row.dataset.name, network, version: row.version }) }, `version ${row.version}`);
  return h("span", null, link, row.serving ? " serves" : job && row.refused ? " refused" : "");
}

/** Where an error stands between 0 and 100. */
function placing(rows, name, isLogarithmic) {
  const errors = rows.map(([, row]) => row[name]);
  const greatest = Math.max(...rows.map(([, row]) => Math.max(row[name], (row.mean?.[name] ?? 0) + (row.standard_deviation?.[name] ?? 0))));
  if (!isLogarithmic) return (error) => Math.max(0, Math.min(100, (100 * error) / greatest));
  const least = Math.log10(Math.min(...errors.filter((error) => error > 0))) - 0.5;
  const span = Math.log10(greatest) - least;
  return (error) => (error > 0 ? Math.max(0, Math.min(100, (100 * (Math.log10(error) - least)) / span)) : 0);
}

function bar(network, row, name, place) {
  const error = row.mean?.[name] ?? row[name];
  const parts = [svg("rect", { class: `bar ${"version" in row ? network : "baseline"}`, x: 0, y: "20%", height: "60%", width: `${place(error)}%` })];
  const deviation = row.standard_deviation?.[name];
  if (deviation !== undefined) parts.push(...whisker(place(row.mean[name] - deviation), place(row.mean[name] + deviation)));
  return svg("svg", { class: "bars", "aria-hidden": "true" }, parts);
}

function whisker(low, high) {
  const line = (x1, x2, y1, y2) => svg("line", { class: "whisker", x1: `${x1}%`, x2: `${x2}%`, y1, y2 });
  return [line(low, high, "50%", "50%"), line(low, low, "25%", "75%"), line(high, high, "25%", "75%")];
}

/** The networks against each other and the baselines; and, folded up, the baselines by themselves. */
function apart({ score: name, pairs }, models) {
  const ofNetworks = pairs.filter(({ a, b }) => "version" in models[a] || "version" in models[b]);
  const others = pairs.filter((pair) => !ofNetworks.includes(pair));
  const caption = `Each two held apart on the same test rows: the difference of their ${score(name)}, and its 95% interval. A difference is shown where the interval does not hold zero.`;
  return [
    h("h3", null, "Each two held apart"),
    h("figure", null, held(ofNetworks, caption), h("figcaption", { "aria-hidden": "true" }, caption)),
    others.length ? h("details", null, h("summary", null, "The baselines among themselves"), held(others, "The baselines, each two held apart")) : "",
  ];
}

function held(pairs, caption) {
  const widest = Math.max(...pairs.map(({ low, high }) => Math.max(Math.abs(low), Math.abs(high))));
  const place = (difference) => 50 + (widest ? (49 * difference) / widest : 0);
  const rows = pairs.map((pair) => [
    `${pair.a} − ${pair.b}`,
    number(pair.difference),
    number(pair.low),
    number(pair.high),
    svg("svg", { class: "bars", "aria-hidden": "true" },
      svg("line", { class: "zero", x1: "50%", x2: "50%", y1: "0%", y2: "100%" }),
      whisker(place(pair.low), place(pair.high)),
      svg("circle", { class: "point", cx: `${place(pair.difference)}%`, cy: "50%", r: 3 })),
    pair.verdict,
  ]);
  return table(caption, [unseen("The two"), "Difference", "from", "to", unseen("Interval"), "Verdict"], rows, [1, 2, 3]);
}
