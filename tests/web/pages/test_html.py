"""Every page is valid HTML, with something on it, in both languages.

html5lib checks the syntax, as a browser reads it. vnu, the checker of the W3C, checks what may stand in what; it needs Java
and its jar, whose path is VNU_JAR.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Final

import html5lib
import httpx2
import pytest

from service.domain.access import Role
from service.domain.explain import LANGUAGES
from service.settings import read_settings
from service.store.client import RedisClient
from service.store.shops import ShopRepository
from service.web.pages import GROUPS
from service.web.pages.shell import Page
from tests.support.past import store_past
from tests.support.shop import ORG
from tests.support.visitors import Visitor, visit_as
from tests.support.web_server import app_client

READS: Final = [page for group in GROUPS for page in group.pages if page.method == "GET"]
NO_PAGES: Final = {
    "show_start",
    "download_activity",
    "export_rules",
    "show_session",
}  # a redirect, a file, a token
MORE: Final = (
    *("/shops/{org}/customers/{customer}?v=draft", "/shops/{org}/customers/{customer}?v=1&on=01/12/2026"),
    *("/shops/{org}/activity?show=all", "/shops/{org}/activity?tag=nobody", "/shops/{org}/activity?from=x"),
    *("/shops/{org}/deliveries?outcome=echo", "/shops/{org}/deliveries?customer=x"),
    *("/shops/{org}/activity/load?days=400", "/shops/{org}/customers/404", "/shops/404", "/design"),
    *("/shops/{org}/rules/hang/edit", "/shops/{org}/rules/hang/yaml", "/shops/{org}/rules?q=xyz"),
    *("/shops/{org}/rules/nobody/edit", "/audit?check"),
)

JVM: Final = (
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    "-Xss16m",
)  # it runs for seconds, and recurses deeply


JAVA: Final = shutil.which("java") or ""
VNU_JAR: Final = (
    os.environ.get("VNU_JAR", "") if JAVA and Path(os.environ.get("VNU_JAR", "")).is_file() else ""
)


@pytest.fixture
async def lived_in(
    redis: RedisClient, shops: ShopRepository, environ: dict[str, str]
) -> AsyncIterator[tuple[Visitor, dict[str, str]]]:
    """An owner in front of three weeks of history, and what the paths of pages name."""
    history = await store_past(redis, shops)
    names = {
        "org": ORG,
        "customer": str(history.haravan.ids()[0]),
        "id": "vip",
        "number": "1",
        "run": "P2",
        "name": "owner",
    }
    async with app_client(read_settings({**environ, "DEVELOPMENT": "yes"})) as client:
        yield await visit_as(client, redis, Role.OWNER), names


def errors_of(answer: httpx2.Response) -> list[str]:
    """What a validator says of a page, or of a part of one."""
    parser = html5lib.HTMLParser()
    if answer.text.lstrip().startswith("<!doctype"):
        parser.parse(answer.text)
    else:
        parser.parseFragment(answer.text)
    lines = answer.text.splitlines()
    return [f"{code}: {lines[line - 1].strip()[:100]}" for (line, _), code, _ in parser.errors]


def check_by_vnu(pages: Mapping[str, str], folder: Path) -> dict[str, list[str]]:
    """The errors of each page, from one process for all pages."""
    for number, text in enumerate(pages.values()):
        (folder / f"{number}.html").write_text(text, encoding="utf-8")
    files = [str(folder / f"{number}.html") for number in range(len(pages))]
    checked = subprocess.run(  # noqa: S603
        [
            JAVA,
            *JVM,
            "-jar",
            VNU_JAR,
            "--errors-only",
            "--exit-zero-always",
            "--format",
            "json",
            *files,
        ],
        capture_output=True,
        check=True,
    )
    errors: dict[str, list[str]] = defaultdict(list)
    for message in json.loads(checked.stderr)["messages"]:
        path = [*pages][int(Path(message["url"]).stem)]
        errors[path].append(f"{message['message']} {message.get('extract', '')}")
    return dict(errors)


@pytest.mark.timeout(600)  # a hundred pages, and Java
async def test_every_page_is_valid(lived_in: tuple[Visitor, dict[str, str]], tmp_path: Path) -> None:
    owner, names = lived_in
    paths = [page.path for page in READS if page.name not in NO_PAGES]
    wrong, seen, texts = {}, 0, {}
    for language in LANGUAGES:
        owner.language = language
        for path in (*paths, *MORE):
            answer = await owner.get(path.format_map(names) if "{" in path else path)
            if answer.status_code == 303:
                continue
            seen += 1
            if (
                answer.text.lstrip().startswith("<!doctype") and language == "vi"
            ):  # the templates are the same
                texts[path] = answer.text
            if errors := errors_of(answer):
                wrong[f"{language} {path}"] = errors
    if VNU_JAR:
        wrong |= check_by_vnu(texts, tmp_path)

    assert wrong == {}
    assert seen > 2 * (len(paths) + len(MORE) - 6)


def parts() -> list[Page]:
    """Pages that answer htmx with a part. Of that of the activity, html5lib does not know the template with rows."""
    return [page for page in READS if page.name in ("show_strip", "show_replays", "show_run")]


@pytest.mark.parametrize("page", parts(), ids=lambda page: page.name)
async def test_the_parts_that_pages_poll_are_valid(
    lived_in: tuple[Visitor, dict[str, str]], page: Page
) -> None:
    owner, names = lived_in

    answer = await owner.get(page.path.format_map(names), HX_Request="true")

    assert not re.search("<html", answer.text)
    assert errors_of(answer) == []


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ('<p id="a" id="b">x</p>', "duplicate-attribute"),
        ("<p>a<div>b</div></p>", "unexpected-end-tag"),
        ("<table><div>x</div></table>", "unexpected-start-tag-implies-table-voodoo"),
    ],
)
def test_the_validator_would_find_an_error(wrong: str, code: str) -> None:
    page = f'<!doctype html><html lang="vi"><head><title>x</title></head><body>{wrong}</body></html>'

    assert code in errors_of(httpx2.Response(200, text=page))[0]


@pytest.mark.skipif(not VNU_JAR, reason="vnu is missing: Java, and VNU_JAR, the path of its jar")
def test_vnu_would_find_an_element_that_may_not_stand_there(tmp_path: Path) -> None:
    page = '<!doctype html><html lang="vi"><head><title>x</title></head><body><ul><p>a</p></ul></body></html>'

    [[error]] = check_by_vnu({"/page": page}, tmp_path).values()

    assert "not allowed as child of element" in error
