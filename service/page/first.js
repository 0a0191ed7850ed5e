// The first questions of a view, asked while the modules that draw the answers still come.

import * as api from "./api.js";
import * as state from "./state.js";

const path = encodeURIComponent;
const coming = new Map();

/** What a view must know before anything of it is drawn. */
export function first({ dataset, job, network, version, q, after }) {
  if (job) return `jobs/${path(job)}`;
  if (network && version) return `models/${path(dataset)}/${network}/versions/${version}`;
  if (dataset) return `models?dataset=${path(dataset)}&limit=1`;
  return `serving?${new URLSearchParams({ limit: 50, ...(q && { q }), ...(after && { cursor: after }) })}`;
}

/** What asks for each path once, for those who ask within one look at the service. */
export function asker(signal) {
  const asked = new Map();
  return (path) => {
    if (!asked.has(path)) asked.set(path, taken(path) ?? api.text(path, { signal }));
    return asked.get(path);
  };
}

function taken(path) {
  const answer = coming.get(path);
  coming.delete(path);
  return answer;
}

function begin(path) {
  const answer = api.text(path);
  answer.catch(() => coming.delete(path)); // who has taken it hears of it; others ask again
  coming.set(path, answer);
}

begin("whoami");
if (api.key() || !document.documentElement.hasAttribute("data-needs-key")) {
  const named = state.all();
  begin(first(named));
  if (named.dataset && !named.job && !named.version) begin(`metrics?dataset=${path(named.dataset)}`);
}
