// The losses of a job's networks, epoch by epoch: of all their starts, while it runs and afterwards.

import { figure, h, load, select, table } from "../dom.js";
import { count, number, several } from "../format.js";
import { lasting } from "../panel.js";
import { powers, short } from "../plot.js";

const HEIGHT = 320;
const LISTED = 100; // curves, in the table
const DEAD = /^dead|^no better/;
const KEPT = ["kept", "one of the ensemble"];

const plots = new WeakMap();

export const panel = {
  sources: ({ job }) => [`jobs/${job}/curves`],
  live: 4,
  async draw(body, [told], context) {
    if (!told.curves.length) {
      body.replaceChildren(h("p", { class: "quiet" }, context.subject.status === "running" ? "The first losses come in a moment." : "There are no losses: nothing has been trained."));
      return;
    }
    const uPlot = await load("uPlot");
    const parts = lasting(body, () => [h("div", { class: "inline" }), h("div", { class: "inline key" }), figure(h("div", { class: "curves" }), "", h("div"))]);
    const plot = plots.get(body) ?? new Plot(uPlot, parts, context);
    plots.set(body, plot);
    plot.show(told);
  },
};

class Plot {
  constructor(uPlot, [controls, key, figure], context) {
    Object.assign(this, { uPlot, controls, key, context, figure, drawn: null, zoom: null });
    this.place = figure.firstChild;
    this.whole = h("button", { class: "plain", hidden: true, on: { click: () => this.zoomTo(null) } }, "The whole range");
    this.said = h("span", { class: "quiet" });
    const { signal } = context;
    const observer = new ResizeObserver(() => this.fit());
    observer.observe(this.place);
    signal.addEventListener("abort", () => {
      observer.disconnect();
      this.drawn?.destroy();
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.redraw(), { signal });
  }

  show(told) {
    this.told = told;
    this.redraw();
  }

  redraw() {
    const { state } = this.context;
    const logarithmic = state.get("axis") !== "linear";
    const splits = [...new Set(this.told.curves.map(({ split }) => split))];
    const split = splits.includes(state.get("show")) ? state.get("show") : null;
    const shown = this.told.curves.filter((curve) => !split || curve.split === split);
    this.control(logarithmic, splits, split);
    this.describe(shown, logarithmic);
    this.paint(shown, logarithmic);
  }

  control(logarithmic, splits, split) {
    const { state } = this.context;
    const choose = (changes, id) => {
      state.set(changes);
      this.redraw();
      document.getElementById(id)?.focus();
    };
    const axis = h("button", { id: "axis", class: "plain", on: { click: () => choose({ axis: logarithmic ? "linear" : null }, "axis") } },
      logarithmic ? "On a linear axis" : "On a logarithmic axis");
    const which = splits.length > 1 && h("span", { class: "field inline" }, h("label", { for: "show" }, "Rows "),
      select("show", [["", "training and validation"], ...splits.map((each) => [each, each === "train" ? "training" : each])], split ?? "",
        (event) => choose({ show: event.target.value || null }, "show")));
    if (!this.controls.contains(document.activeElement) || document.activeElement.id !== "show") this.controls.replaceChildren(...[axis, which].filter(Boolean), this.whole);
    const networks = [...new Set(this.told.curves.map(({ network }) => network))];
    this.key.replaceChildren(...networks.map((network) => h("span", { class: `series ${network}` }, network)), this.said);
    this.rest = [splits.length > 1 && !split ? "validation rows dashed" : "", this.told.curves.some(isDead) ? "starts that learned nothing faint" : ""].filter(Boolean).join(", ");
    this.said.textContent = this.rest;
  }

  describe(shown, logarithmic) {
    const networks = grouped(shown);
    const best = [...networks].map(([network, curves]) => {
      const [curve, [first, last, least]] = lowest(curves);
      return least === undefined ? `of ${network} no loss is finite` : `the least of ${network} is ${number(least)}, ${first === last ? `in epoch ${count(first)}` : `in epochs ${count(first)} to ${count(last)}`} on ${curve.split === "train" ? "training" : "validation"} rows`;
    });
    const starts = new Set(shown.map(({ network, repeat, start }) => `${network} ${repeat} ${start}`)).size;
    const dead = new Set(shown.filter(isDead).map(({ network, repeat, start }) => `${network} ${repeat} ${start}`)).size;
    const gaps = [];
    if (logarithmic && shown.some(({ points }) => points.some(([, , least]) => least === 0))) gaps.push("a loss of zero is a gap, marked 0 at the bottom");
    if (shown.some(({ points }) => points.some((point) => point[3] === null))) gaps.push("a loss that is not finite is a gap, marked ∞ at the top");
    const unit = this.told.unit === "cross-entropy" ? "cross-entropy" : "mean squared error";
    const sentence = `The losses (${unit}) of ${several(starts, "start")}, ${dead ? `${count(dead)} of which learned nothing, ` : ""}by epoch, on a ${logarithmic ? "logarithmic" : "linear"} axis: ${best.join("; ")}. A line is as thick as the losses of its epochs are apart${gaps.length ? `; ${gaps.join("; ")}` : ""}.`;
    this.place.setAttribute("aria-label", sentence);
    this.figure.querySelector("figcaption").textContent = sentence;
    const rows = shown.slice(0, LISTED).map((curve) => [
      `${curve.network} ${curve.repeat}.${curve.start}`,
      curve.split === "train" ? "training" : "validation",
      curve.outcome ?? "is trained",
      count(curve.points.at(-1)?.[1]),
      number(curve.points[0]?.[3]),
      number(lowest([curve])[1][2]),
      number(curve.points.at(-1)?.[2]),
    ]);
    this.figure.querySelector("details > :last-child").replaceWith(table(
      shown.length > LISTED ? `The first ${LISTED} of ${count(shown.length)} curves` : "The curves",
      ["Network, repeat, start", "Rows", "Outcome", "Epochs", "First", "Least", "Last"], rows, [3, 4, 5, 6]));
  }

  paint(shown, logarithmic) {
    const { uPlot, place } = this;
    const marks = [];
    const joined = shown.length ? uPlot.join(shown.map((curve) => aligned(curve, logarithmic, marks))) : [[]];
    const splits = new Set(shown.map(({ split }) => split));
    const options = { logarithmic, shown, dashed: splits.size > 1 };
    const shape = JSON.stringify([logarithmic, scheme(), shown.map(({ network, repeat, start, split, outcome }) => [network, repeat, start, split, outcome])]);
    this.marks = marks.sort((a, b) => a[0] - b[0]);
    if (this.drawn && shape === this.shape) {
      this.drawn.setData(joined, !this.zoom);
      if (this.zoom) this.drawn.setScale("x", this.zoom);
      return;
    }
    this.shape = shape;
    this.drawn?.destroy();
    this.drawn = new uPlot(this.options(options), joined, place);
    if (this.zoom) this.drawn.setScale("x", this.zoom);
    this.fit();
  }

  options({ logarithmic, shown, dashed }) {
    const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
    const [muted, line] = ["--muted", "--line"].map(colour);
    const axis = { stroke: muted, font: "12px system-ui, sans-serif", grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 } };
    const logAxis = { splits: (u, _, low, high) => powers(low, high), filter: (u, splits) => splits };
    const series = shown.flatMap((curve) => {
      const stroke = colour(`--${curve.network}`);
      const alpha = isDead(curve) ? 0.25 : KEPT.includes(curve.outcome) || curve.outcome === null ? 1 : 0.55;
      const drawn = { stroke, alpha, width: KEPT.includes(curve.outcome) ? 2 : 1, points: { show: curve.points.length === 1 }, dash: dashed && curve.split === "validation" ? [6, 4] : undefined };
      return [drawn, { ...drawn, width: drawn.width / 2 }];
    });
    const bands = shown.map((curve, index) => ({ series: [2 * index + 2, 2 * index + 1], fill: translucent(colour(`--${curve.network}`), isDead(curve)) }));
    return {
      width: Math.max(200, this.place.clientWidth),
      height: HEIGHT,
      legend: { show: false },
      scales: { x: { time: false }, y: logarithmic ? { distr: 3, range: (u, low, high) => decades(low, high) } : {} },
      axes: [
        { ...axis, size: 34, values: (u, splits) => splits.map((at) => (Number.isInteger(at) ? count(at) : "")) },
        { ...axis, size: 60, values: (u, splits) => splits.map((at) => (at === null ? "" : short(at))), ...(logarithmic ? logAxis : {}) },
      ],
      series: [{}, ...series],
      bands,
      cursor: { y: false, points: { show: false }, drag: { x: true, y: false, setScale: false } },
      hooks: {
        setSelect: [(u) => this.select(u)],
        setCursor: [(u) => this.read(u, shown)],
        draw: [(u) => this.mark(u, muted)],
        ready: [(u) => u.over.addEventListener("dblclick", () => this.zoomTo(null))],
      },
    };
  }

  select(u) {
    if (u.select.width < 4) return;
    const [min, max] = [u.select.left, u.select.left + u.select.width].map((at) => u.posToVal(at, "x"));
    u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.zoomTo({ min, max });
  }

  zoomTo(range) {
    this.zoom = range;
    this.whole.hidden = !range;
    if (range) this.drawn.setScale("x", range);
    else this.drawn.setData(this.drawn.data, true);
  }

  /** Says what stands below the cursor. */
  read(u, shown) {
    const index = u.cursor.idx;
    if (index === null || index === undefined || u.cursor.left < 0) {
      this.said.textContent = this.rest;
      return;
    }
    const least = new Map();
    shown.forEach(({ network }, place) => {
      const loss = u.data[2 * place + 1][index];
      if (Number.isFinite(loss) && !(loss >= least.get(network))) least.set(network, loss);
    });
    this.said.textContent = `Epoch ${count(Math.ceil(u.data[0][index]))}: ${[...least].map(([network, loss]) => `${network} ${number(loss)}`).join(", ")}`;
  }

  /** Marks what an axis has no place for: zeros at the bottom, what is not finite at the top. */
  mark(u, muted) {
    const { ctx, bbox } = u;
    ctx.save();
    ctx.font = `${12 * devicePixelRatio}px system-ui, sans-serif`;
    ctx.fillStyle = muted;
    ctx.textAlign = "center";
    const last = { 0: -Infinity, "∞": -Infinity };
    for (const [at, sign] of this.marks) {
      const x = u.valToPos(at, "x", true);
      if (x < bbox.left || x > bbox.left + bbox.width || x - last[sign] < 14 * devicePixelRatio) continue;
      last[sign] = x;
      ctx.textBaseline = sign === "0" ? "bottom" : "top";
      ctx.fillText(sign, x, sign === "0" ? bbox.top + bbox.height - 2 : bbox.top + 2);
    }
    ctx.restore();
  }

  fit() {
    const width = this.place.clientWidth;
    if (this.drawn && width && width !== this.drawn.width) this.drawn.setSize({ width, height: HEIGHT });
  }
}

function isDead({ outcome }) {
  return outcome !== null && DEAD.test(outcome);
}

/** Epochs, and the least and the greatest losses there. What an axis has no place for is a gap. */
function aligned({ points }, logarithmic, marks) {
  const epochs = points.map(([first, last]) => (first + last) / 2);
  const fitting = (loss, index) => {
    if (loss === null) marks.push([epochs[index], "∞"]);
    else if (logarithmic && loss <= 0) marks.push([epochs[index], "0"]);
    else return loss;
    return null;
  };
  return [epochs, points.map((point, index) => fitting(point[2], index)), points.map((point, index) => fitting(point[3], index))];
}

/** The curve with the least finite loss, and the point where that is. */
function lowest(curves) {
  let found = [curves[0], []];
  for (const curve of curves) {
    for (const point of curve.points) {
      if (point[2] !== null && !(point[2] >= found[1][2])) found = [curve, point];
    }
  }
  return found;
}

function grouped(curves) {
  const groups = new Map();
  for (const curve of curves) groups.set(curve.network, [...(groups.get(curve.network) ?? []), curve]);
  return groups;
}

/** Whole powers of ten around what is to be seen. */
function decades(low, high) {
  if (!(low > 0)) return [0.1, 1];
  const [from, to] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
  return [Number(`1e${from}`), Number(`1e${from === to ? to + 1 : to}`)];
}

function scheme() {
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

/** A colour like #0b5cad, seen through. */
function translucent(colour, faint) {
  return `${colour}${faint ? "18" : "40"}`;
}
