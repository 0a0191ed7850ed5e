// The events of a job that runs, as they come. `EventSource` cannot send a key; `fetch` can.

import { headers, loseConnection, pauseAfter } from "./api.js";

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
    await pauseAfter(tries++);
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
