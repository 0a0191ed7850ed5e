// What is shown stands in the URL, behind the #: a reload, "back" and a link show the same.

/** What stands there: names and texts. */
export function all() {
  return Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
}

export function get(name) {
  return new URLSearchParams(location.hash.slice(1)).get(name) ?? undefined;
}

/** The link to what is shown with these changes; null takes a name out. */
export function link(changes, from = {}) {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries({ ...from, ...changes })) {
    if (value !== null && value !== undefined && value !== "") parameters.set(name, value);
  }
  return `#${parameters}`;
}

/** Changes what stands there without going elsewhere; nothing but the caller takes notice. */
export function set(changes, { push = false } = {}) {
  const target = link(changes, all());
  history[push ? "pushState" : "replaceState"](null, "", target);
}

/** Goes to another view. */
export function go(changes) {
  location.hash = link(changes);
}
