// Predicted against true on the rows that a version held out, and what is off over each feature.

import { figure, h, select, svg, table } from "../dom.js";
import { count, number, several, value } from "../format.js";
import { lasting } from "../panel.js";
import { levels, plane, scale, short, ticks } from "../plot.js";

const path = encodeURIComponent;

export const panel = {
  sources: ({ dataset, network, version }) => [`models/${path(dataset)}/${network}/versions/${version}/residuals`],
  missing: "This version is from before held-out rows were kept; train again.",
  draw(body, [told], { state, subject }) {
    if (!told.sample.length) {
      body.replaceChildren(h("p", { class: "quiet" }, "None of the predictions is a finite number."));
      return;
    }
    const [scatter, choice, over] = lasting(body, () => [h("div"), h("div", { class: "inline" }), h("div")]);
    const chosen = told.features.find(({ name }) => name === state.get("feature")) ?? mostTelling(told.features);
    const choose = (event) => {
      state.set({ feature: event.target.value });
      over.replaceChildren(overFeature(told.features.find(({ name }) => name === event.target.value), told));
    };
    scatter.replaceChildren(told.task === "binary" ? probabilities(told) : predictedAndTrue(told));
    choice.replaceChildren(h("span", { class: "field inline" }, h("label", { for: "feature" }, "Residuals over "),
      select("feature", told.features.map(({ name }) => name), chosen.name, choose)));
    over.replaceChildren(overFeature(chosen, told));
  },
};

function who({ model, version, split, rows, not_finite }) {
  const left = not_finite ? `; ${several(not_finite, "prediction")} that is no finite number left out` : "";
  return `by ${model}, version ${version}, on ${several(rows, "row")} that its job held out for ${split === "eval" ? "evaluation" : "validation"}${left}`;
}

function predictedAndTrue(told) {
  const all = told.sample.flat();
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const [x, y] = [scale(low, high, 3, 97), scale(low, high, 96, 4)];
  const places = ticks(low, high);
  const off = told.sample.map(([truth, predicted]) => truth - predicted);
  const rmse = Math.sqrt(off.reduce((sum, each) => sum + each * each, 0) / off.length);
  const plot = plane("Predicted", "True",
    levels(places, y),
    places.map((place) => svg("text", { class: "tick middle", x: `${x(place)}%`, y: "100%", dy: -3 }, short(place))),
    svg("line", { class: "zero", x1: `${x(low)}%`, y1: `${y(low)}%`, x2: `${x(high)}%`, y2: `${y(high)}%` }),
    told.sample.map(([truth, predicted]) => svg("circle", { class: `dot ${told.model}`, cx: `${x(truth)}%`, cy: `${y(predicted)}%`, r: 2.5 })));
  const sentence = `Predicted against true ${who(told)}: ${several(told.sample.length, "row")} are shown, whose root mean squared error is ${number(rmse)}. On the dashed line the two are the same.`;
  return figure(plot, sentence, listed("The rows that are off the most", ["True", "Predicted", "True − predicted"],
    [...told.sample].sort((a, b) => Math.abs(b[0] - b[1]) - Math.abs(a[0] - a[1])).slice(0, 20).map(([truth, predicted]) => [value(truth), number(predicted), number(truth - predicted)])));
}

/** Of a class there are two strips, one for each truth; places across a strip mean nothing. */
function probabilities(told) {
  const x = scale(0, 1, 3, 97);
  const groups = [1, 0].map((truth) => told.sample.filter(([of]) => of === truth).map(([, predicted]) => predicted));
  const plot = plane("True: 1 above, 0 below", "Predicted probability of 1",
    svg("line", { class: "grid", x1: "0%", x2: "100%", y1: "50%", y2: "50%" }),
    [0, 0.25, 0.5, 0.75, 1].map((place) => [
      svg("line", { class: place === 0.5 ? "zero" : "grid", x1: `${x(place)}%`, x2: `${x(place)}%`, y1: "0%", y2: "100%" }),
      svg("text", { class: "tick middle", x: `${x(place)}%`, y: "100%", dy: -3 }, short(place)),
    ]),
    groups.map((group, row) => group.map((predicted, index) =>
      svg("circle", { class: `dot ${told.model}`, cx: `${x(predicted)}%`, cy: `${6 + 46 * row + ((index * 61.8034) % 36)}%`, r: 2.5 }))));
  const right = groups[0].filter((p) => p >= 0.5).length + groups[1].filter((p) => p < 0.5).length;
  const sentence = `Predicted probability of class 1 ${who(told)}: ${several(told.sample.length, "row")} are shown, ${count(right)} of them on the right side of one half.`;
  const tenths = Array.from({ length: 10 }, (_, tenth) => [`${tenth / 10} to ${(tenth + 1) / 10}`,
    ...groups.map((group) => count(group.filter((p) => Math.min(9, Math.floor(p * 10)) === tenth).length))]);
  return figure(plot, sentence, listed("The rows by their probability", ["Probability", "True: 1", "True: 0"], tenths));
}

function overFeature({ name, bins }, told) {
  if (!bins.length) return h("p", { class: "quiet" }, `There are no rows with ${name}.`);
  const low = Math.min(0, ...bins.map(({ p10, mean }) => Math.min(p10, mean)));
  const high = Math.max(0, ...bins.map(({ p90, mean }) => Math.max(p90, mean)));
  const y = scale(low, high || low + 1, 84, 5);
  const width = 96 / bins.length;
  const named = Math.ceil(bins.length / 8);
  const plot = plane("True − predicted", name,
    levels(ticks(low, high || 1), y),
    bins.map((bin, index) => {
      const left = 3 + index * width;
      return [
        svg("rect", { class: `bar ${told.model}`, x: `${left + width * 0.1}%`, width: `${width * 0.8}%`, y: `${y(bin.p90)}%`, height: `${Math.max(0.4, y(bin.p10) - y(bin.p90))}%` }),
        svg("line", { class: "whisker", x1: `${left + width * 0.1}%`, x2: `${left + width * 0.9}%`, y1: `${y(bin.mean)}%`, y2: `${y(bin.mean)}%` }),
        index % named ? null : svg("text", { class: "tick middle", x: `${left + width / 2}%`, y: "100%", dy: -3 }, clipped(label(bin, true))),
      ];
    }));
  const worst = bins.reduce((a, b) => (Math.abs(b.mean) > Math.abs(a.mean) ? b : a));
  const sentence = `True less predicted over ${name} ${who(told)}. Boxes hold eight of ten residuals, lines are their mean, which is furthest from zero, ${number(worst.mean)}, at ${label(worst)}.`;
  return figure(plot, sentence, listed(`Residuals over ${name}`, [name, "Rows", "Mean", "10% are below", "10% are above"],
    bins.map((bin) => [label(bin), count(bin.rows), number(bin.mean), number(bin.p10), number(bin.p90)])));
}

function label({ low, high, value: word, others }, brief = false) {
  if (word !== null) return word;
  if (others !== null) return brief ? "others" : several(others, "other value");
  if (low === null) return "missing";
  return brief || low === high ? short(low) : `${number(low)} to ${number(high)}`;
}

function clipped(text) {
  return text.length > 8 ? `${text.slice(0, 7)}…` : text;
}

/** The feature over which the means are furthest from zero, weighed by their rows. */
function mostTelling(features) {
  const apart = ({ bins }) => bins.reduce((sum, { rows, mean }) => sum + rows * mean * mean, 0);
  return features.reduce((a, b) => (apart(b) > apart(a) ? b : a));
}

function listed(caption, headings, rows) {
  return table(caption, headings, rows, headings.map((_, index) => index).slice(1));
}
