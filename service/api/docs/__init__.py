"""`/docs`: Swagger UI over the OpenAPI document, with files of our own and none of anybody else's.

The links in the page are relative, so that they hold below any root path. `vendored.json` says
where the files that we have not written come from.
"""

from functools import cache
from pathlib import Path

from fastapi import APIRouter, Response

FOLDER = Path(__file__).parent

FILES = {
    "/docs": ("index.html", "text/html"),
    "/docs/start.js": ("start.js", "text/javascript"),
    "/docs/swagger-ui-bundle.js": ("swagger-ui-bundle.js", "text/javascript"),
    "/docs/swagger-ui.css": ("swagger-ui.css", "text/css"),
}

# Swagger UI styles its elements one by one, and draws its icons from the style sheet.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'"
)

router = APIRouter(include_in_schema=False)


@cache
def _content(name: str) -> bytes:
    """A file, without the comment that names a source map: there is none here."""
    return (FOLDER / name).read_bytes().partition(b"/*# sourceMappingURL=")[0]


def _add(path: str, name: str, media_type: str) -> None:
    @router.get(path)
    async def file() -> Response:
        headers = {"Content-Security-Policy": POLICY}
        return Response(_content(name), headers=headers, media_type=media_type)


for _path, (_name, _media_type) in FILES.items():
    _add(_path, _name, _media_type)
