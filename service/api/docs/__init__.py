"""`/docs`: Swagger UI over the OpenAPI document, with files of our own and none of anybody else's.

The links in the page are relative, so that they hold below any root path. `vendored.json` says
where the files that we have not written come from.
"""

from pathlib import Path

from service.http import static_files

FOLDER = Path(__file__).parent

FILES = {
    "/docs": FOLDER / "index.html",
    "/docs/start.js": FOLDER / "start.js",
    "/docs/swagger-ui-bundle.js": FOLDER / "swagger-ui-bundle.js",
    "/docs/swagger-ui.css": FOLDER / "swagger-ui.css",
}

# Swagger UI styles its elements one by one, and draws its icons from the style sheet.
POLICY = {**static_files.STRICT, "style-src": "'self' 'unsafe-inline'"}

router = static_files.router(FILES, POLICY)
