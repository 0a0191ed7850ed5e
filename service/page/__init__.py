"""The page at `/`: what was trained, how it compares, what serves. It speaks only the public API.

Its links are relative, so that they hold below any root path. `vendored/vendored.json` says where
the files that we have not written come from.
"""

from pathlib import Path

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from service.http import static_files

FOLDER = Path(__file__).parent

PANELS = (
    *("answers", "comparison", "curves", "features", "job", "jobs", "profile", "residuals"),
    *("serving", "train", "try", "upload", "version", "versions"),
)

MODULES = ("api", "dom", "format", "main", "panel", "plot", "state", "views")

FILES = {
    "/page/style.css": FOLDER / "style.css",
    **{f"/page/{name}.js": FOLDER / f"{name}.js" for name in MODULES},
    **{f"/page/panels/{name}.js": FOLDER / "panels" / f"{name}.js" for name in PANELS},
    **{
        f"/page/vendored/{name}": FOLDER / "vendored" / name
        for name in ("uPlot-1.6.32.iife.min.js", "uPlot-1.6.32.min.css")
    },
}

router = static_files.router(FILES)


@router.get("/")
async def page(request: Request) -> Response:
    """The page itself; its links lead nowhere from a root path without the slash at its end."""
    root_path: str = request.app.state.settings.root_path
    if root_path and request.scope["raw_path"] == root_path.encode():
        return RedirectResponse(f"{root_path}/")
    return static_files.answer(request, FOLDER / "index.html")
