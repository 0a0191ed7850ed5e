// A file on its way to the service: how much of it has gone, and that the rest is up to the service.

import * as api from "./api.js";
import { announce, h } from "./dom.js";
import { bytes } from "./format.js";

/** Puts a file at a path, and shows in `place` how far that is; throws an AbortError if it is
 * cancelled there. */
export async function send(path, file, place) {
  const leaving = new AbortController();
  const bar = h("progress", { max: file.size || 1, value: 0, "aria-label": `Sending ${file.name}` });
  const said = h("p", { class: "quiet" });
  const cancel = h("button", { type: "button", on: { click: () => leaving.abort() } }, "Cancel the upload");
  const tell = (sent) => {
    bar.value = sent;
    said.textContent = `${bytes(sent)} of ${bytes(file.size)} sent`;
    if (sent < file.size) return;
    bar.removeAttribute("value");
    bar.setAttribute("aria-label", `Reading ${file.name}`);
    said.textContent = `All ${bytes(file.size)} sent; the service reads and checks them …`;
    announce(said.textContent);
  };
  tell(0);
  place.replaceChildren(bar, said, h("div", { class: "actions" }, cancel));
  try {
    return await api.upload(path, file, tell, leaving.signal);
  } catch (error) {
    place.replaceChildren(error.name === "AbortError" ? h("p", { class: "quiet" }, "The upload is cancelled; nothing of it is left.") : "");
    throw error;
  }
}
