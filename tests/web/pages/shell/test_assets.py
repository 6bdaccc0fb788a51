"""The files that browsers load are those that were reviewed, and nothing else of the packages is served."""

from __future__ import annotations

import hashlib

import httpx2
import pytest

from service.web.pages.shell.assets import FOLDERS, asset

# sha256 of the files as their projects publish them: htmx.org 2.0.3 and bootstrap 5.3.8 at npm
PUBLISHED = {
    "htmx/htmx.min.js": "491955cd1810747d7d7b9ccb936400afb760e06d25d53e4572b64b6563b2784e",
    "bootstrap/bootstrap-reboot.min.css": "0b56cde507cfa4d5d219f71df2e2d0a9b14bd6f589583818b874fb026f0f47f7",
}


@pytest.mark.parametrize("path", PUBLISHED)
def test_a_file_of_a_package_is_the_published_one(path: str) -> None:
    folder, _, name = path.partition("/")

    assert hashlib.sha256((FOLDERS[folder] / name).read_bytes()).hexdigest() == PUBLISHED[path]


@pytest.mark.parametrize("path", [*PUBLISHED, "own/app.css", "own/app.js", "own/tokens.css", "own/icon.svg"])
async def test_a_file_is_served_for_a_year(client: httpx2.AsyncClient, path: str) -> None:
    answer = await client.get(asset(path))

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    ["/static/own/../page.py", "/static/own/%2e%2e/page.py", "/static/own/", "/static/bootstrap/../LICENSE"],
)
async def test_nothing_else_is_served(client: httpx2.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 404


def test_no_style_of_ours_or_of_bootstrap_needs_a_data_address() -> None:
    for path in ("own/app.css", "own/tokens.css", "bootstrap/bootstrap-reboot.min.css"):
        folder, _, name = path.partition("/")
        assert "data:" not in (FOLDERS[folder] / name).read_text(encoding="utf-8"), path
