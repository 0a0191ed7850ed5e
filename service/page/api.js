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

/** The headers of a request, with the key if there is one. */
export function headers(more) {
  return key() ? { "X-API-Key": key(), ...more } : more;
}

async function request(method, path, { body, signal } = {}) {
  const given = { Accept: "application/json" };
  if (body !== undefined) given["Content-Type"] = "application/json";
  const sent = body === undefined ? body : JSON.stringify(body);
  let response;
  try {
    response = await fetch(path, { method, body: sent, signal, headers: headers(given), cache: "no-store" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    loseConnection();
    throw silence();
  }
  if (!response.ok) throw await refusal(response);
  return response;
}

/** Puts a file; `tell` hears how many of its bytes have gone, which `fetch` does not say. */
export function upload(path, file, tell, signal) {
  return new Promise((resolve, reject) => {
    const sending = new XMLHttpRequest();
    sending.open("PUT", path);
    const given = headers({ Accept: "application/json", "Content-Type": "application/octet-stream" });
    for (const [name, value] of Object.entries(given)) sending.setRequestHeader(name, value);
    sending.upload.addEventListener("progress", ({ loaded }) => tell(loaded));
    sending.upload.addEventListener("load", () => tell(file.size));
    sending.addEventListener("load", async () => {
      const { status, statusText, responseText } = sending;
      if (status < 300) resolve(JSON.parse(responseText));
      else reject(await refusal(new Response(responseText, { status, statusText })));
    });
    sending.addEventListener("error", () => {
      loseConnection();
      reject(silence());
    });
    sending.addEventListener("abort", () => reject(new DOMException("cancelled", "AbortError")));
    signal.addEventListener("abort", () => sending.abort());
    sending.send(file);
  });
}

function silence() {
  return new Refusal(0, "The service does not answer. This page looks for it, and goes on by itself.");
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
export async function loseConnection() {
  if (lost) return;
  lost = true;
  connection.dispatchEvent(new Event("lost"));
  for (let tries = 0; ; tries++) {
    await pauseAfter(tries);
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

/** A pause that is the longer the more has been tried. */
export function pauseAfter(tries) {
  const seconds = PROBE_SECONDS[Math.min(tries, PROBE_SECONDS.length - 1)];
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}
