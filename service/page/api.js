// The service, by its public API alone. Paths are relative: the page may be shown below any path.

const KEY = "crosscheck-key";
const PROBE_SECONDS = [0.5, 1, 2, 4];

export class Refusal extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

/** Events: `lost` and `back`, of the connection; `locked`, where a key is needed. */
export const connection = new EventTarget();
let lost = false;

export function key() {
  return sessionStorage.getItem(KEY);
}

export function keep(secret) {
  if (secret) sessionStorage.setItem(KEY, secret);
  else sessionStorage.removeItem(KEY);
}

function headers(more) {
  return key() ? { "X-API-Key": key(), ...more } : more;
}

async function request(method, path, { body, type, signal, more } = {}) {
  const given = { Accept: "application/json", ...more };
  if (body !== undefined) given["Content-Type"] = type ?? "application/json";
  const sent = body === undefined || type ? body : JSON.stringify(body);
  let response;
  try {
    response = await fetch(path, { method, body: sent, signal, headers: headers(given), cache: "no-store" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    loseConnection();
    throw new Refusal(0, "The service does not answer. This page looks for it, and goes on by itself.");
  }
  if (!response.ok) throw await refusal(response);
  return response;
}

async function refusal(response) {
  if (response.status === 401) connection.dispatchEvent(new Event("locked"));
  try {
    const problem = await response.json();
    return new Refusal(response.status, problem.detail ?? problem.error ?? response.statusText);
  } catch {
    return new Refusal(response.status, `The service answered ${response.status} ${response.statusText}.`);
  }
}

export async function text(path, options) {
  return (await request("GET", path, options)).text();
}

export async function get(path, options) {
  return JSON.parse(await text(path, options));
}

export async function post(path, body, options) {
  return (await request("POST", path, { body, ...options })).json();
}

export async function put(path, body, options) {
  return (await request("PUT", path, { body, ...options })).json();
}

export async function remove(path) {
  await request("DELETE", path);
}

/** Looks for a service that does not answer until it does. */
async function loseConnection() {
  if (lost) return;
  lost = true;
  connection.dispatchEvent(new Event("lost"));
  for (let tries = 0; ; tries++) {
    await pause(PROBE_SECONDS[Math.min(tries, PROBE_SECONDS.length - 1)]);
    try {
      await fetch("livez", { cache: "no-store" });
      break;
    } catch {
      // not yet
    }
  }
  lost = false;
  connection.dispatchEvent(new Event("back"));
}

function pause(seconds) {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}

let followed = null;

/** Tells of a job whenever it changes, and once it has ended. A tab has one such stream, and none
 * while it is hidden or once the job has ended. */
export function follow(job, tell, signal) {
  followed?.end();
  const mine = { job, tell, last: null, stream: null, end: () => close(mine) };
  followed = mine;
  signal.addEventListener("abort", mine.end, { once: true });
  if (!document.hidden) stream(mine);
}

/** The job that is followed, if one is. */
export function following() {
  return followed?.job;
}

function close(mine) {
  mine.stream?.abort();
  mine.stream = null;
  if (followed === mine) followed = null;
}

document.addEventListener("visibilitychange", () => {
  if (!followed) return;
  if (document.hidden) {
    followed.stream?.abort();
    followed.stream = null;
  } else if (!followed.stream) {
    stream(followed);
  }
});

async function stream(mine) {
  const controller = (mine.stream = new AbortController());
  let tries = 0;
  while (mine.stream === controller) {
    try {
      const more = mine.last ? { "Last-Event-ID": mine.last } : {};
      const response = await fetch(`jobs/${mine.job}/events`, {
        headers: headers({ Accept: "text/event-stream", ...more }),
        signal: controller.signal,
        cache: "no-store",
      });
      if (response.status === 204 || (response.status >= 400 && response.status < 500)) return mine.end();
      if (response.ok) {
        tries = 0;
        for await (const event of eventsOf(response.body)) {
          if (event.id) mine.last = event.id;
          if (event.name === "end") mine.end();
          mine.tell(JSON.parse(event.data), event.name);
          if (event.name === "end") return;
        }
      }
    } catch {
      if (controller.signal.aborted) return;
      loseConnection();
    }
    await pause(PROBE_SECONDS[Math.min(tries++, PROBE_SECONDS.length - 1)]);
  }
}

async function* eventsOf(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value.replaceAll("\r", "")).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const fields = {};
      for (const line of block.split("\n")) {
        const [, name, said] = /^(\w*):? ?(.*)$/.exec(line) ?? [];
        if (name) fields[name] = name === "data" && fields.data ? `${fields.data}\n${said}` : said;
      }
      if (fields.data) yield { id: fields.id, name: fields.event, data: fields.data };
    }
  }
}
