"""The template of the route that answers at a path: there are few, and paths are without number."""

import re
from collections.abc import Callable
from functools import cache, lru_cache

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.routing import Mount, compile_path

OTHER = "_other"
"""What stands for all paths that no route answers at."""

KEPT_PATHS = 4096


def template_at(app: FastAPI, below: str = "") -> Callable[[str], str]:
    """What finds the template of a path, once the application is complete.

    Args:
        below: A root path that may stand before a path.
    """

    @cache
    def patterns() -> dict[str, re.Pattern[str]]:
        found = {}
        for route in iter_route_contexts(app.routes):
            below_it = "/{path:path}" if isinstance(route.original_route, Mount) else ""
            pattern, template, _ = compile_path((route.path or "") + below_it)
            found[template] = pattern
        return found

    @lru_cache(KEPT_PATHS)
    def find(path: str) -> str:
        if below and path.startswith(f"{below}/"):
            path = path.removeprefix(below)
        if path in patterns():  # of those that are no more than a path
            return path
        return next((name for name, each in patterns().items() if each.fullmatch(path)), OTHER)

    return find
