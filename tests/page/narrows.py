"""A way to a service that lets no more through than it is told."""

import socket
from collections.abc import Callable
from contextlib import suppress
from threading import Event, Thread
from types import TracebackType

PIECE_BYTES = 65536


class Narrows:
    """Passes connections on to a port of this machine, what comes back without any bound."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._opened = Event()
        self._opened.set()
        self._left = 0
        self._threads: list[Thread] = []
        self._clients: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def close_behind(self, bytes_: int) -> None:
        """Lets so many bytes through, and then no more."""
        self._left = bytes_
        self._opened.clear()

    def open(self) -> None:
        """Lets everything through."""
        self._opened.set()

    def __enter__(self) -> "Narrows":
        self._start(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._opened.set()
        for each in (self._listener, *self._clients):
            _end(each)
        while self._threads:
            self._threads.pop().join()

    def _start(self, do: Callable[..., None], *given: object) -> Thread:
        thread = Thread(target=do, args=given, daemon=True)
        self._threads.append(thread)
        thread.start()
        return thread

    def _accept(self) -> None:
        with self._listener, suppress(OSError):  # it has been ended
            while True:
                client, _ = self._listener.accept()
                self._clients.append(client)
                self._start(self._carry, client)

    def _carry(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self._port)) as service:
            back = self._start(self._pass, service, client, False)
            self._pass(client, service, True)
            back.join()

    def _pass(self, source: socket.socket, target: socket.socket, is_bounded: bool) -> None:
        with suppress(OSError):
            while piece := source.recv(PIECE_BYTES):
                if is_bounded and not self._opened.is_set():
                    self._left -= len(piece)
                    if self._left < 0:
                        self._opened.wait()
                target.sendall(piece)
        _end(source)
        _end(target)


def _end(connection: socket.socket) -> None:
    with suppress(OSError):  # it has ended
        connection.shutdown(socket.SHUT_RDWR)
