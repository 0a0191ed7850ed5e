// Which features a version depends on, and which ones its cross layers multiply.

import { figure, h, svg, table, unseen } from "../dom.js";
import { count, number } from "../format.js";

const FEW = 20;

const path = encodeURIComponent;

export const panel = {
  sources: ({ dataset, network, version, crossing }) => {
    const found = (name, number) => `models/${path(dataset)}/${name}/versions/${number}/interactions`;
    const isOther = crossing && crossing.network !== network;
    return [found(network, version), isOther ? found(crossing.network, crossing.version) : null];
  },
  missing: "This version is from before this was kept; train again.",
  draw(body, [{ importances, interactions: own }, other], { subject }) {
    const interactions = own?.length ? own : other?.interactions;
    const whose = own?.length || !other ? "it" : `${subject.crossing.network}, version ${subject.crossing.version},`;
    body.replaceChildren(
      h("h3", null, "How much it depends on each"),
      important(importances, subject.network),
      h("h3", null, `What ${whose} multiplies`),
      interactions?.length ? multiplied(interactions) : h("p", { class: "quiet" }, "It has no cross layers that tell of pairs of features."));
  },
};

function important(importances, network) {
  const shown = importances.slice(0, FEW);
  const greatest = Math.max(...shown.map(({ increase, deviation }) => increase + deviation), Number.MIN_VALUE);
  const place = (x) => `${Math.max(0, Math.min(100, (100 * x) / greatest))}%`;
  const rows = shown.map(({ feature, increase, deviation }) => [
    feature,
    number(increase),
    number(deviation, 2),
    svg("svg", { class: "bars", "aria-hidden": "true" },
      svg("rect", { class: `bar ${network}`, x: 0, y: "20%", height: "60%", width: place(increase) }),
      svg("line", { class: "whisker", x1: place(increase - deviation), x2: place(increase + deviation), y1: "50%", y2: "50%" })),
  ]);
  const more = importances.length > FEW ? ` The ${FEW} most important ones of ${count(importances.length)} are shown.` : "";
  const caption = `How much larger the error on test rows is with the values of a feature shuffled, and the deviation of that over several shuffles.${more}`;
  return h("figure", null, table(caption, ["Feature", "Error grows by", "±", unseen("Bar")], rows, [1, 2]), h("figcaption", { "aria-hidden": "true" }, caption));
}

/** A triangle of cells, the darker the stronger; the name of a row stands behind its last cell. */
function multiplied(interactions) {
  const names = [...new Set(interactions.flatMap(({ a, b }) => [a, b]))].slice(0, FEW);
  const strengths = new Map(interactions.flatMap(({ a, b, strength }) => [[`${a}\n${b}`, strength], [`${b}\n${a}`, strength]]));
  const greatest = interactions[0].strength || 1;
  const across = 70 / names.length;
  const down = 100 / names.length;
  const cells = names.flatMap((row, index) => [
    ...names.slice(0, index + 1).map((column, place) => {
      const strength = strengths.get(`${row}\n${column}`) ?? 0;
      return svg("rect", { class: "cell", x: `${place * across}%`, y: `${index * down}%`, width: `${across}%`, height: `${down}%`, "fill-opacity": strength / greatest },
        svg("title", null, `${row} × ${column}: ${number(strength)}`));
    }),
    svg("text", { class: "tick", x: `${(index + 1) * across}%`, dx: 5, y: `${(index + 0.5) * down}%`, dy: "0.35em" }, row.length > 16 ? `${row.slice(0, 15)}…` : row),
  ]);
  const plot = svg("svg", { class: "plot heat" }, cells);
  plot.style.height = `${Math.max(6, names.length * 1.4)}rem`;
  const [first] = interactions;
  const which = first.a === first.b ? `that of ${first.a} with itself` : `that of ${first.a} and ${first.b}`;
  const sentence = `The products of features that the cross layers make, the darker the stronger, of each pair where a row and a column meet that end at their names: the strongest is ${which}, which moves the network's output by about ${number(first.strength)}.`;
  const rows = interactions.slice(0, FEW).map(({ a, b, strength }) => [`${a} × ${b}`, number(strength)]);
  return figure(plot, sentence, table("The strongest products", ["Product", "Strength"], rows, [1]));
}
