// Elements, and the few shapes that panels share.

const SVG = "http://www.w3.org/2000/svg";

/** An element: `on` are listeners, other attributes are as in HTML; null and false are left out. */
export function h(tag, attributes, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** The same in SVG. */
export function svg(tag, attributes, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    } else if (value !== null && value !== undefined && value !== false) {
      element.setAttribute(name, value === true ? "" : value);
    }
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const LONG = 44; // characters, beyond which a cell may have several lines

/** A table that scrolls sideways in a narrow window. Cells are texts or elements; those in columns
 * that are `numeric` are aligned at the right. The first cell of a row is its heading. */
export function table(caption, headings, rows, numeric = []) {
  const kind = (index, cell) => {
    if (numeric.includes(index)) return "number";
    return (cell?.textContent ?? cell)?.length > LONG ? "long" : null;
  };
  return h("div", { class: "wide", tabindex: 0, role: "region", "aria-label": caption },
    h("table", { class: headings.length < 5 ? "narrow" : null },
      h("caption", { class: "unseen" }, caption),
      h("thead", null, h("tr", null, headings.map((heading, index) =>
        h("th", { scope: "col", class: kind(index) }, heading)))),
      h("tbody", null, rows.map((row) => h("tr", { id: row.id }, row.map((cell, index) =>
        h(index ? "td" : "th", { scope: index ? null : "row", class: kind(index, cell) }, cell)))))));
}

/** A text for those alone who listen to the page. */
export function unseen(text) {
  return h("span", { class: "unseen" }, text);
}

/** A plot with its sentence, and with its table for those who cannot see it. */
export function figure(plot, sentence, rows) {
  plot.setAttribute("role", "img");
  plot.setAttribute("aria-label", sentence);
  return h("figure", null, plot, h("figcaption", null, sentence),
    rows && h("details", null, h("summary", null, "As a table"), rows));
}

/** A field with its label above; `hint` stands below. */
export function field(label, input, hint) {
  if (hint) {
    input.setAttribute("aria-describedby", `${input.id}-hint`);
    hint = h("small", { id: `${input.id}-hint` }, hint);
  }
  return h("div", { class: "field" }, h("label", { for: input.id }, label), input, hint);
}

/** A choice of one; options are texts, or pairs of value and text. */
export function select(id, options, chosen, change) {
  return h("select", { id, on: change ? { change } : {} }, options.map((option) => {
    const [value, text] = Array.isArray(option) ? option : [option, option];
    return h("option", { value, selected: value === chosen }, text);
  }));
}

/** Asks before something is done; resolves to whether it may be. */
export function ask(question, yes, no = "Leave it") {
  return new Promise((resolve) => {
    const dialog = h("dialog", { "aria-labelledby": "question" },
      h("p", { id: "question" }, question),
      h("div", { class: "actions" },
        h("button", { class: "first", on: { click: () => dialog.close("yes") } }, yes),
        h("button", { on: { click: () => dialog.close() } }, no)));
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** Does something that may be refused, at a click; what is said against it appears in `place`. */
export async function attempt(button, place, action) {
  button.disabled = true;
  place.replaceChildren();
  try {
    await action();
  } catch (error) {
    if (error.name !== "AbortError") place.replaceChildren(h("p", { class: "refusal", role: "alert" }, error.message));
  } finally {
    button.disabled = false;
  }
}

/** Says something to those who cannot see that it has happened. */
export function announce(text) {
  document.getElementById("said").textContent = text;
}

const VENDORED = { uPlot: "vendored/uPlot-1.6.32" };
const loading = {};

/** A vendored library with its looks, loaded when it is first needed. */
export function load(name) {
  const file = (ending) => new URL(`${VENDORED[name]}.${ending}`, import.meta.url);
  loading[name] ??= Promise.all([
    loaded(h("link", { rel: "stylesheet", href: file("min.css") })),
    loaded(h("script", { src: file("iife.min.js") })),
  ]).then(() => globalThis[name]);
  loading[name].catch(() => delete loading[name]);
  return loading[name];
}

function loaded(element) {
  return new Promise((resolve, reject) => {
    element.addEventListener("load", resolve);
    element.addEventListener("error", () => reject(new Error("A part of the page could not be loaded from the service.")));
    document.head.append(element);
  });
}
