// A panel: what the API says at some paths, drawn into a section, with links to just that.

import * as api from "./api.js";
import { h } from "./dom.js";
import { asker } from "./first.js";
import * as state from "./state.js";
import * as events from "./stream.js";
import { load } from "./views.js";

const parts = new WeakMap();

/** The lasting parts of a panel's body, made once: what is typed into them survives a refresh. */
export function lasting(body, make) {
  if (!parts.has(body)) parts.set(body, make());
  const made = parts.get(body);
  if (made[0].parentNode !== body) body.replaceChildren(...made);
  return made;
}

/** Opens panels on a subject: a section for each, with the promise of its first drawing, and what
 * fetches and draws them again. What `ask` has been told already is not asked for again. The first
 * panel comes first: the others do not share the service with it. */
export function open(panels, subject, ask, { signal, may, reopen }) {
  const opened = panels.map((panel) => section(panel, subject));
  const context = { subject, signal, may, reopen, api, state, refresh, follow };
  for (const each of opened) each.again = () => refresh(each.id);

  /** Fetches and draws these panels, by default all. What they share is asked for once. */
  function refresh(...ids) {
    return draw(opened.filter(({ id }) => !ids.length || ids.includes(id)), asker(signal));
  }

  function draw(chosen, ask) {
    return Promise.all(chosen.map((each) => fill(each, ask, context)));
  }

  async function begin([top, ...others]) {
    const first = draw([top], ask);
    for (const { id } of others) load(id).catch(() => {}); // said where it is drawn
    await first;
    await draw(others, ask);
    for (const { id, panel } of opened) if (panel?.every) repeat(() => refresh(id), panel.every, signal);
  }

  /** Tells of a job while it runs, and fetches what it changes: seldom meanwhile, all at its end. */
  function follow(job, tell) {
    const since = new Map();
    events.follow(job, (now, event) => {
      if (signal.aborted) return;
      Object.assign(subject, { status: now.status, published: now.results.length > 0 });
      tell(now);
      if (event === "end") return refresh();
      for (const { id, panel } of opened) {
        if (panel?.live && performance.now() - (since.get(id) ?? -Infinity) > panel.live * 1000) {
          since.set(id, performance.now());
          refresh(id);
        }
      }
    }, signal);
  }

  begin(opened);
  return { sections: opened.map(({ element, first }) => ({ element, first })), refresh };
}

function section({ id, title }, subject) {
  const links = h("span", { class: "links" });
  const body = h("div", { class: "body" }, h("p", { class: "quiet" }, "Loading …"));
  const element = h("section", { id, "aria-labelledby": `${id}-title`, tabindex: -1 },
    h("header", null, h("h2", { id: `${id}-title` }, title), links), body);
  const made = { id, title, panel: null, subject, links, body, element, drawn: null, round: 0 };
  made.first = new Promise((resolve) => (made.isDrawn = resolve));
  return made;
}

async function fill(opened, ask, context) {
  const { id, subject, body } = opened;
  const round = ++opened.round;
  const isStale = () => context.signal.aborted || round !== opened.round;
  try {
    const panel = (opened.panel ??= await load(id));
    const paths = panel.sources(subject);
    link(opened, paths.filter(Boolean));
    const texts = await Promise.all(paths.map((path) => path && ask(path)));
    if (isStale()) return;
    const said = texts.join("\n");
    if (opened.drawn === said) return;
    const focused = body.contains(document.activeElement) ? document.activeElement.id : null;
    if (opened.drawn === null) body.replaceChildren();
    await panel.draw(body, texts.map((text) => text && JSON.parse(text)), context);
    opened.drawn = said;
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  } catch (error) {
    if (isStale() || error.name === "AbortError") return;
    opened.drawn = null;
    body.replaceChildren(...excuse(opened, error));
  } finally {
    opened.isDrawn();
  }
}

function repeat(action, seconds, signal) {
  const timer = setInterval(() => document.hidden || action(), seconds * 1000);
  signal.addEventListener("abort", () => clearInterval(timer), { once: true });
}

/** Links to the JSON that is drawn. A browser sends no key with a link, so with one we fetch it. */
function link({ title, links }, paths) {
  if (links.dataset.paths === paths.join(" ")) return;
  links.dataset.paths = paths.join(" ");
  links.replaceChildren(...paths.map((path, index) => {
    const place = paths.length > 1 ? ` ${index + 1}` : "";
    const open = async (event) => {
      if (!api.key()) return;
      event.preventDefault();
      const text = await api.text(path).catch((error) => error.message);
      window.open(URL.createObjectURL(new Blob([text], { type: "application/json" })));
    };
    return h("a", { href: path, title: path, on: { click: open }, "aria-label": `JSON${place} of: ${title}` }, `JSON${place}`);
  }));
}

function excuse({ panel, again }, error) {
  if (error.status === 404 && panel?.missing) return [h("p", { class: "quiet" }, panel.missing)];
  if (!(error instanceof api.Refusal)) console.error(error);
  return [
    h("p", { class: "refusal", role: "alert" }, error.message),
    h("button", { on: { click: again } }, "Try again"),
  ];
}
