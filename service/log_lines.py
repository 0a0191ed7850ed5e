"""Lines of the log that nothing a client sends can forge."""

import logging
from types import TracebackType

from service.errors import printable

MESSAGE_LENGTH = 2000

ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class LogLines(logging.Formatter):
    """One line for each record, and a traceback indented below it; only what is printable."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        return printable(super().formatMessage(record), MESSAGE_LENGTH)

    def formatException(self, ei: ExcInfo) -> str:  # noqa: N802
        return _indented(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:  # noqa: N802
        return _indented(super().formatStack(stack_info))


def _indented(text: str) -> str:
    return "\n".join(f"    {printable(line, MESSAGE_LENGTH)}" for line in text.splitlines())


def install() -> None:
    """Sends what is logged to the standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(LogLines("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    dbos = logging.getLogger("dbos")
    dbos.setLevel(logging.WARNING)
    dbos.addHandler(handler)  # else it brings its own, which writes other lines
    dbos.propagate = False
