"""A small client of the service: it waits as it is told, and comes back where that may help.

What starts without pydantic, as commands do, finds here what the environment says of the service.
"""

import json
import os
import random
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx

from service.loopback import is_loopback

KEY_VARIABLE = "CROSSCHECK_API_KEY"

LATER = {408, 429, 502, 503, 504}
"""What may be answered otherwise later. 409 is not: it means "not in this state" here."""

BROKEN = (httpx.NetworkError, httpx.TimeoutException, httpx.RemoteProtocolError)
"""What may go better with another connection."""

TRIES = 3
STREAM_TRIES = 12
"""Of a stream that broke: a service that starts anew takes a while."""

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 8.0

PATIENCE_SECONDS = 120.0
"""For how long in all a service is asked again that says when to."""

ANSWER_SECONDS = 30.0
SILENCE_SECONDS = 60.0
"""Of a stream, which says every 15 seconds that it is there."""

Content = bytes | Callable[[], Iterable[bytes]]
"""A body, or what makes it anew for each try."""


class Failed(Exception):
    """It did not do what was asked; the text says why."""


class Refused(Failed):
    """The service refused: the text is the detail of its problem document."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class KeyRefused(Failed):
    """The key is missing or unknown, or its role is too low."""


class Event(NamedTuple):
    """A server-sent event; `id` is that of the last one that had any."""

    name: str
    id: str
    data: str


def key_from_environment() -> str | None:
    """The key to send, if there is one. Raises KeyRefused for what can be none."""
    key = os.environ.get(KEY_VARIABLE, "").strip()
    if not all("!" <= sign <= "~" for sign in key):
        raise KeyRefused(f"{KEY_VARIABLE} holds no key: it has signs that no key has")
    return key or None


class Client:
    """Asks one service, with one key.

    Args:
        url: Where it is; a path that it has at a proxy belongs to it.
        key: None sends none.
        tell: Is told in a line when it waits to ask again.
    """

    def __init__(
        self, url: str, key: str | None = None, tell: Callable[[str], None] = lambda _: None
    ) -> None:
        headers = {"Accept": "application/json"} | ({"X-API-Key": key} if key else {})
        try:
            # No proxy can reach this machine under the names by which it calls itself.
            proxied = not is_loopback(httpx.URL(url).host)
            self._http = httpx.Client(
                base_url=url.rstrip("/"), headers=headers, timeout=ANSWER_SECONDS, trust_env=proxied
            )
        # The last two: of a proxy that the environment names, and that httpx does not take.
        except (httpx.InvalidURL, ValueError, ImportError) as error:
            raise Failed(f"'{without_password(url)}' cannot be asked: {error}") from None
        self.url = without_password(url.rstrip("/"))
        self._tell = tell

    def close(self) -> None:
        """Closes its connections."""
        self._http.close()

    def url_of(self, path: str, parameters: dict[str, Any] | None = None) -> str:
        """The URL of a path here, as it may be shown."""
        return without_password(str(self._http.build_request("GET", path, params=parameters).url))

    def get(self, path: str, **parameters: Any) -> dict[str, Any]:
        """The JSON behind a path. Parameters that are None are left out."""
        return _document(self.send("GET", path, parameters=parameters))

    def post(
        self, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> dict[str, Any]:
        """The JSON that a body is answered with; None posts none."""
        return _document(self._send_json("POST", path, body, headers))

    def put(self, path: str, body: Any) -> dict[str, Any]:
        """The JSON that a body is answered with."""
        return _document(self._send_json("PUT", path, body, None))

    def pages(self, path: str, member: str, **parameters: Any) -> Iterator[dict[str, Any]]:
        """Everything of a list that comes in pages, one after the other."""
        cursor = None
        while True:
            page = self.get(path, **parameters, cursor=cursor)
            yield from page[member]
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def events(self, job_id: str) -> Iterator[dict[str, Any]]:
        """A job whenever it changes, until it has ended. Comes back to a stream that broke."""
        path, last = path_of("jobs", job_id, "events"), ""
        while True:
            headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last} if last else {})
            try:
                with self.stream("GET", path, headers=headers, tries=STREAM_TRIES) as response:
                    if response.status_code == HTTPStatus.NO_CONTENT:
                        return
                    if not response.headers.get("content-type", "").startswith("text/event-stream"):
                        raise _stranger(response)
                    for event in events(response.iter_bytes()):
                        last = event.id or last
                        yield json.loads(event.data)
                        if event.name == "end":
                            return
                why = "the stream of events ended before the job"
            except BROKEN as error:
                why = f"the stream of events broke ({error or type(error).__name__})"
            self._tell(f"{why}; coming back to it")
            time.sleep(back_off(1))

    @contextmanager
    def stream(
        self, method: str, path: str, *, tries: int = TRIES, **asked: Any
    ) -> Iterator[httpx.Response]:
        """An answer whose body is read piece by piece; for the rest as `send`."""
        timeout = httpx.Timeout(ANSWER_SECONDS, read=SILENCE_SECONDS)
        with closing(
            self.send(method, path, stream=True, tries=tries, timeout=timeout, **asked)
        ) as response:
            yield response

    def send(
        self,
        method: str,
        path: str,
        *,
        parameters: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        content: Content = b"",
        timeout: httpx.Timeout | float = ANSWER_SECONDS,
        stream: bool = False,
        tries: int = TRIES,
    ) -> httpx.Response:
        """Sends a request, and returns an answer that is no refusal.

        Args:
            tries: Of what fails for now. 1: it cannot be repeated.

        Raises:
            Refused: The service refused it, and would again.
            KeyRefused: For want of a key that may do this.
            Failed: Nothing answers, or nothing that is a Crosscheck service.
        """
        failures, patience = 0, PATIENCE_SECONDS
        while True:
            try:
                request = self._http.build_request(
                    method,
                    path,
                    params={k: v for k, v in (parameters or {}).items() if v is not None},
                    headers=headers,
                    content=content() if callable(content) else content or None,
                    timeout=timeout,
                )
                response = self._http.send(request, stream=stream)
            except BROKEN as error:
                why: Failed = self._no_answer(error)
                pause = None
            except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
                raise self._no_answer(error) from None
            else:
                if response.is_success:
                    return response
                with closing(response):
                    response.read()
                why = refusal(response)
                if response.status_code not in LATER:
                    raise why
                pause = retry_after(response.headers.get("retry-after"))
            if pause is None:
                failures += 1
                if failures >= tries:
                    raise why
                pause = back_off(failures)
            else:
                pause = max(pause, FIRST_PAUSE_SECONDS)
                patience -= pause
                if tries == 1 or not patience >= 0:  # it may be NaN
                    raise why
            self._tell(f"{why}; asking again in {pause:.1f} s")
            time.sleep(pause)

    def _send_json(
        self, method: str, path: str, body: Any, headers: dict[str, str] | None
    ) -> httpx.Response:
        if body is None:
            return self.send(method, path, headers=headers)
        given = {"Content-Type": "application/json", **(headers or {})}
        return self.send(method, path, headers=given, content=json.dumps(body).encode())

    def _no_answer(self, error: Exception) -> Failed:
        return Failed(f"'{self.url}' cannot be asked: {error or type(error).__name__}")


def path_of(*parts: str | int) -> str:
    """The path of these parts, whatever signs they hold."""
    return "".join(f"/{quote(str(part), safe='')}" for part in parts)


def without_password(url: str) -> str:
    """A URL as it may be shown."""
    scheme, mark, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{mark}{host.rpartition('@')[2]}{slash}{path}"


def refusal(response: httpx.Response) -> Failed:
    """What an answer refuses with: its problem document's detail, or what else it says."""
    status = response.status_code
    detail = f"{status} {response.reason_phrase}".strip()
    if response.is_redirect:
        detail += f": it lives at {response.headers.get('location')}"
    elif response.headers.get("content-type") == "application/problem+json":
        detail = str(_document(response).get("detail", detail))
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return KeyRefused(detail)
    return Refused(status, detail)


def retry_after(header: str | None) -> float | None:
    """How many seconds a service asks to wait, if it does."""
    if not header:
        return None
    try:
        return float(header)
    except ValueError:
        pass
    try:
        return parsedate_to_datetime(header).timestamp() - time.time()
    except (ValueError, OverflowError):
        return None


def back_off(failures: int) -> float:
    """Seconds to wait after so many failures: longer each time, and not all at the same instant."""
    pause = min(FIRST_PAUSE_SECONDS * 2.0 ** (failures - 1), LONGEST_PAUSE_SECONDS)
    return pause * (1 - 0.25 * random.random())  # noqa: S311


def events(pieces: Iterable[bytes]) -> Iterator[Event]:
    """Server-sent events that carry data. Only new lines end lines, not what Unicode calls so."""
    name, last, data = "message", "", list[str]()
    for line in _lines(pieces):
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            if data:
                yield Event(name, last, "\n".join(data))
            name, data = "message", []
        elif field == "event":
            name = value
        elif field == "id":
            last = value
        elif field == "data":
            data.append(value)


def _lines(pieces: Iterable[bytes]) -> Iterator[str]:
    kept = b""
    for piece in pieces:
        *whole, kept = (kept + piece).split(b"\n")
        for line in whole:
            yield line.removesuffix(b"\r").decode(errors="replace")


def _document(response: httpx.Response) -> dict[str, Any]:
    try:
        found = json.loads(response.content)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise _stranger(response)
    return found


def _stranger(response: httpx.Response) -> Failed:
    where = without_password(str(response.url))
    return Failed(f"{where} is answered by something else than a Crosscheck service")
