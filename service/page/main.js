// The start: who is there, what the URL names, and the view of it.

import * as api from "./api.js";
import { announce, h } from "./dom.js";
import { asker, first } from "./first.js";
import { open } from "./panel.js";
import * as state from "./state.js";
import { look, watch } from "./status.js";
import { loadAll, view } from "./views.js";

const ROLES = ["predict", "train", "admin"];
const WAIT_SECONDS = 3;

const main = document.getElementById("main");
let who = { needs_key: false, key: null, role: null };
let leaving = new AbortController();
let shown = null;

function may(role) {
  return ROLES.indexOf(who.role) >= ROLES.indexOf(role);
}

async function start() {
  try {
    who = JSON.parse(await asker()("whoami"));
  } catch (error) {
    main.replaceChildren(h("p", { class: "refusal", role: "alert" }, error.message));
    return;
  }
  introduce();
  if (who.role) await show();
  else askForKey();
}

function introduce() {
  const place = document.getElementById("who");
  const leave = () => {
    api.keep(null);
    start();
  };
  const docs = h("a", { href: "docs" }, "API");
  if (who.role && who.needs_key) {
    place.replaceChildren(`${who.key}, may ${{ predict: "predict", train: "predict and train", admin: "do everything" }[who.role]} `,
      h("button", { class: "plain", on: { click: leave } }, "Forget the key"), " ", docs);
  } else place.replaceChildren(docs);
}

function askForKey() {
  leave();
  const said = h("p", { class: "refusal", role: "alert" }, api.key() ? "The key is not known." : "");
  const input = h("input", { id: "key", type: "password", autocomplete: "off", required: true });
  const enter = async (event) => {
    event.preventDefault();
    api.keep(input.value.trim());
    await start();
  };
  main.replaceChildren(h("section", { id: "locked", "aria-labelledby": "locked-title" },
    h("header", null, h("h1", { id: "locked-title" }, "A key is needed")),
    h("p", null, "This service answers to keys. It is kept until this tab is closed, and sent to this service alone."),
    h("form", { on: { submit: enter } }, h("div", { class: "field" }, h("label", { for: "key" }, "Key"), input),
      h("div", { class: "actions" }, h("button", { class: "first" }, "Go on"))), said));
  input.focus();
}

function leave() {
  leaving.abort();
  leaving = new AbortController();
  shown = null;
}

/** Shows what the URL names. */
async function show() {
  leave();
  const { signal } = leaving;
  const named = state.all();
  const ask = asker(signal);
  let found;
  try {
    found = await lookUp(named, ask);
  } catch (error) {
    if (!signal.aborted) excuse(error);
    return;
  }
  const { panels: all, title } = view(named, found);
  const panels = all.filter(({ needs }) => !needs || may(needs));
  document.title = title === "Crosscheck" ? title : `${title} – Crosscheck`;
  guide({ ...found, ...named }, title, named);
  const opened = open(panels, { ...found, ...named }, ask, { signal, may, reopen });
  await unfold(heading(panels, title), opened.sections, signal);
  if (signal.aborted) return;
  shown = opened;
  if (named.at) document.getElementById(named.at)?.scrollIntoView();
}

/** Shows it anew at the same place: what was looked up before has changed. */
async function reopen() {
  const top = window.scrollY;
  await show();
  window.scrollTo(0, top);
}

/** Shows sections from top to bottom as they are drawn, so that nothing moves that is shown; one that
 * takes long does not keep the others back for ever. */
async function unfold(heading, sections, signal) {
  const late = new Promise((resolve) => setTimeout(resolve, WAIT_SECONDS * 1000));
  main.setAttribute("aria-busy", "true");
  let place = null;
  for (const { element, first } of sections) {
    await Promise.race([first, late]);
    if (signal.aborted) return;
    if (place) main.append(element);
    else main.replaceChildren(...heading, (place = element));
  }
  main.removeAttribute("aria-busy");
}

/** What must be known of what the URL names before its panels are opened: of a dataset the version
 * that answers by default, of a job whether there is something to compare. */
async function lookUp(named, ask) {
  const { dataset, job, version } = named;
  if (!job && (!dataset || version)) return {};
  const said = JSON.parse(await ask(first(named)));
  if (job) return { dataset: said.config.dataset.name ?? "triples", status: said.status, published: said.results.length > 0 };
  const { default: chosen, models } = said;
  const crosses = models.filter(({ name, serving }) => name !== "dense" && serving);
  const crossing = crosses.find(({ name }) => name === chosen?.model) ?? crosses[0];
  return {
    ...(chosen && { network: chosen.model, version: String(chosen.version) }),
    ...(crossing && { crossing: { network: crossing.name, version: String(crossing.serving) } }),
  };
}

function excuse(error) {
  main.replaceChildren(h("p", { class: "refusal", role: "alert" }, error.message),
    h("div", { class: "actions" }, h("button", { on: { click: show } }, "Try again"), h("a", { href: "#" }, "To all datasets")));
}

function heading(panels, title) {
  const home = title === "Crosscheck";
  const links = panels.map(({ id, title }) =>
    h("a", { href: state.link({ at: id }, state.all()), on: { click: (event) => jump(event, id) } }, title));
  return [h("h1", { class: home ? "unseen" : null }, home ? "All datasets" : title),
    h("nav", { id: "panels", "aria-label": "On this page" }, links)];
}

function jump(event, id) {
  event.preventDefault();
  state.set({ at: id });
  const section = document.getElementById(id);
  section.scrollIntoView();
  section.focus({ preventScroll: true });
}

function guide({ dataset }, title, { job, version }) {
  const steps = [h("a", { href: "#", "aria-current": dataset || job ? null : "page" }, "Crosscheck")];
  if (dataset) steps.push(h("a", { href: state.link({ dataset }), "aria-current": job || version ? null : "page" }, dataset));
  if (job || version) steps.push(h("a", { href: location.hash, "aria-current": "page" }, title));
  document.getElementById("where").replaceChildren(...steps);
}

api.connection.addEventListener("lost", () => {
  const place = document.getElementById("lost");
  place.textContent = "The service does not answer. What you see is from before; this page looks for it, and goes on by itself.";
  place.hidden = false;
});

api.connection.addEventListener("back", async () => {
  document.getElementById("lost").hidden = true;
  announce("The service answers again.");
  await look();
  if (shown) await shown.refresh();
  else await start();
});

api.connection.addEventListener("locked", () => who.needs_key && who.role && start());

document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // behind the # stands what is shown
  main.focus();
});

let last = location.hash;
window.addEventListener("hashchange", () => {
  if (!who.role) return;
  const before = new URLSearchParams(last.slice(1));
  last = location.hash;
  const now = new URLSearchParams(last.slice(1));
  const same = ["dataset", "job", "network", "version"].every((name) => before.get(name) === now.get(name));
  if (same && shown) {
    if (now.get("at") !== before.get("at")) document.getElementById(now.get("at"))?.scrollIntoView();
    return shown.refresh();
  }
  return show().then(() => state.get("at") || window.scrollTo(0, 0));
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  look();
  shown?.refresh();
});
start().finally(watch).finally(loadAll);
