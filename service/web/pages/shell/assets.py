"""The files that browsers load: htmx and the CSS reset from their packages, and our own style and script.

Each address ends with a hash of its file, so browsers keep the file for a year and never use an old one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from bootstrap_wrapper import get_bootstrap_css_dir
from starlette.middleware import Middleware
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from service.web.pages.shell.security import SecurityMiddleware

CACHE_CONTROL: Final = "public, max-age=31536000, immutable"
_OWN: Final = Path(__file__).parent / "static"
_HTMX: Final = Path(str(files("js_lib_htmx"))) / "static" / "htmx"
_BOOTSTRAP: Final = Path(get_bootstrap_css_dir())
FOLDERS: Final[Mapping[str, Path]] = {"htmx": _HTMX, "bootstrap": _BOOTSTRAP, "own": _OWN}


def mounts() -> list[Mount]:
    """One mount for each folder. Nothing else in the packages is reachable."""
    middleware: Any = [Middleware(SecurityMiddleware, cache_control=CACHE_CONTROL)]
    return [
        Mount(f"/static/{name}", StaticFiles(directory=folder), middleware=middleware)
        for name, folder in FOLDERS.items()
    ]


@cache
def asset(path: str) -> str:
    """The address of a file such as `own/app.css`."""
    folder, _, name = path.partition("/")
    return f"/static/{path}?v={hashlib.sha256((FOLDERS[folder] / name).read_bytes()).hexdigest()[:12]}"
