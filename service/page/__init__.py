"""The page at `/`: what was trained, how it compares, what serves. It speaks only the public API.

Its links are relative, so that they hold below any root path. `vendored/vendored.json` says where
the files that we have not written come from. All files lie below a path that is another as soon as
one of them is: a browser keeps them, and never has some of one release and some of another.
"""

import hashlib
from functools import cache
from pathlib import Path

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from service.http import static_files

FOLDER = Path(__file__).parent

PANELS = (
    *("answers", "comparison", "curves", "features", "job", "jobs", "profile", "residuals"),
    *("serving", "train", "try", "upload", "version", "versions"),
)

MODULES = (
    *("api", "dom", "first", "format", "main", "panel", "plot", "sending", "state", "status"),
    *("stream", "views"),
)

NAMES = (
    "style.css",
    *(f"{name}.js" for name in MODULES),
    *(f"panels/{name}.js" for name in PANELS),
    *("vendored/uPlot-1.6.32.iife.min.js", "vendored/uPlot-1.6.32.min.css"),
)


def _path() -> str:
    digests = "".join(static_files.read(FOLDER / name).digest for name in NAMES)
    return f"page/{hashlib.sha256(digests.encode()).hexdigest()[:12]}"


PATH = _path()

FILES = {f"/{PATH}/{name}": FOLDER / name for name in NAMES}

router = static_files.router(FILES, cache_control=static_files.KEPT)


@cache
def index(needs_key: bool) -> static_files.Content:
    """The page itself, which says where its files are, and whether a key must be asked for."""
    page = (FOLDER / "index.html").read_text().replace('"page/', f'"{PATH}/')
    if needs_key:
        page = page.replace("<html ", "<html data-needs-key ", 1)
    return static_files.made_of(page.encode(), "text/html")


@router.get("/")
async def page(request: Request) -> Response:
    """The page; its links lead nowhere from a root path without the slash at its end."""
    root_path: str = request.app.state.settings.root_path
    if root_path and request.scope["raw_path"] == root_path.encode():
        return RedirectResponse(f"{root_path}/")
    needs_key = bool(request.app.state.settings.api_keys)
    return static_files.answer(request, index(needs_key))
