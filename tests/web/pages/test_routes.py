"""Tables over all pages: roles, shops, proof that a form is ours, audit entries, texts, headers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from jinja2 import nodes
from starlette.routing import Mount, Route

from service.alerts import Alerts
from service.context import Context
from service.cpu_pool import InProcess
from service.domain.access import Role
from service.domain.explain import LANGUAGES
from service.locales import translator_for
from service.settings import read_settings
from service.store.client import SERVICE, RedisClient
from service.store.history import AuditRow, audit_log
from service.store.rules import Versions
from service.store.shops import ShopRepository
from service.web.pages import GROUPS, build_pages
from service.web.pages.shell import Page, environment
from service.web.pages.shell.security import HEADERS
from tests.support.shop import ORG, OTHER_ORG
from tests.support.visitors import BASE_URL, SAME_ORIGIN, Visitor, heading, location, visit_as
from tests.support.web_server import app_client
from tests.web.pages.conftest import VisitAs

PAGES = [page for group in GROUPS for page in group.pages]
NAMES = [page.name for page in PAGES]
PRIVATE = [page for page in PAGES if page.role is not None]
CHANGES = [page for page in PRIVATE if page.method == "POST"]
READS = [page for page in PRIVATE if page.method == "GET"]

# The least role of every page, once more, so that a change of one is a change of this table as well.
LEAST = {
    None: "show_sign_in sign_in show_link use_link",
    Role.VIEWER: "show_start show_session show_restored sign_out show_profile change_password sign_out_everywhere "
    "show_shops show_shop show_strip show_health show_shop_audit show_first_look "
    "show_search find_customer show_customer show_activity download_activity show_load show_deliveries "
    "show_dead_letters show_rules show_rule_counts export_rules show_rule_history show_history show_version "
    "show_version_progress download_rules show_freeze",
    Role.MARKETER: "show_pause pause show_exclusion change_exclusion show_gallery add_rule "
    "show_editor save_editor show_moves show_source save_source show_editing try_rule duplicate_rule show_removal "
    "remove_rule undo_draft redo_draft discard_draft keep_draft show_import import_rules show_publish publish "
    "ask_approval show_rollback roll_back schedule show_scheduled move_scheduled cancel_scheduled edit_scheduled "
    "publish_scheduled set_freeze end_freeze show_working",
    Role.OPS: "resume approve_first_look read_customer retry_letters drop_letters show_replays count_customers "
    "show_run start_run pause_run resume_run cancel_run "
    "show_endpoints add_endpoint rotate_endpoint switch_endpoint retry_endpoint remove_endpoint",
    Role.OWNER: "show_users show_new_user add_user show_user change_user create_link remove_user "
    "show_tokens show_new_token add_token revoke_token show_service_audit",
}


def path_of(page: Page, org: str = ORG) -> str:
    """A path of the page. What it names does not exist, except for the shop."""
    return re.sub(r"\{(?!org)\w+\}", "nobody", page.path).format(org=org)


def ids(pages: list[Page]) -> list[str]:
    return [page.name for page in pages]


async def ask(visitor: Visitor, page: Page, org: str = ORG) -> httpx2.Response:
    """A request with an empty form: refused by the page itself, if it gets that far."""
    path = path_of(page, org)
    return await (visitor.get(path) if page.method == "GET" else visitor.post(path))


async def entries(redis: RedisClient) -> list[AuditRow]:
    return [*await audit_log.list_entries(redis, ORG), *await audit_log.list_entries(redis, SERVICE)]


def test_the_table_names_every_page_with_its_role() -> None:
    assert {page.name: page.role for page in PAGES} == {
        name: role for role, names in LEAST.items() for name in names.split()
    }
    assert len(NAMES) == len(set(NAMES))


async def test_no_route_of_the_pages_is_outside_of_the_table(
    redis: RedisClient, shops: ShopRepository
) -> None:
    context = Context(redis, shops, Versions(redis))
    pages = build_pages(context, InProcess(context), Alerts(context.redis), is_development=True)

    routes = [route for route in pages.routes if isinstance(route, Route)]
    found = {(route.path, method) for route in routes for method in route.methods or ()}

    expected = {(page.path, page.method) for page in PAGES} | {("/design", "GET")}
    assert found - {(path, "HEAD") for path, _ in found} == expected
    assert all(isinstance(each, Route | Mount) for each in pages.routes)  # mounts serve files only


def test_what_owners_manage_belongs_to_users_of_every_shop() -> None:
    assert {page.name for page in PAGES if page.every_shop} == set(LEAST[Role.OWNER].split())


@pytest.mark.parametrize("page", READS, ids=ids(READS))
async def test_without_a_session_a_page_leads_to_the_sign_in_and_back(
    client: httpx2.AsyncClient, page: Page
) -> None:
    answer = await client.get(f"{BASE_URL}{path_of(page)}?a=1")

    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/login?next=%2F")
    assert answer.headers["location"].endswith("%3Fa%3D1")


@pytest.mark.parametrize("page", CHANGES, ids=ids(CHANGES))
async def test_without_a_session_nothing_is_changed(
    client: httpx2.AsyncClient, redis: RedisClient, page: Page
) -> None:
    answer = await client.post(f"{BASE_URL}{path_of(page)}", data={"reason": "x"}, headers=SAME_ORIGIN)

    assert answer.status_code == 401
    assert await entries(redis) == []


@pytest.mark.parametrize("page", PRIVATE, ids=ids(PRIVATE))
async def test_a_page_is_for_its_least_role_and_those_above(
    client: httpx2.AsyncClient, redis: RedisClient, page: Page
) -> None:
    assert page.role is not None
    for role in Role:
        may = role.includes(page.role)

        every_shop = await ask(await visit_as(client, redis, role), page)
        this_shop = await ask(await visit_as(client, redis, role, name="some", shops=frozenset({ORG})), page)

        assert (every_shop.status_code == 403) is not may, role
        assert (this_shop.status_code == 403) is not (may and not page.every_shop), role
        assert max(every_shop.status_code, this_shop.status_code) < 500, role


OF_SHOP = [page for page in PRIVATE if "{org}" in page.path]


@pytest.mark.parametrize("page", OF_SHOP, ids=ids(OF_SHOP))
async def test_another_shop_does_not_exist(
    client: httpx2.AsyncClient, redis: RedisClient, page: Page
) -> None:
    visitor = await visit_as(client, redis, Role.OWNER, shops=frozenset({OTHER_ORG}))

    known, unknown, absurd = [await ask(visitor, page, org) for org in (ORG, "999", "9%00")]

    assert (known.status_code, unknown.status_code, absurd.status_code) == (404, 404, 404)
    assert known.text.replace(ORG, "") == unknown.text.replace("999", "")


FOREIGN: dict[str, dict[str, str]] = {
    "another site": {"Sec-Fetch-Site": "cross-site"},
    "another host of the site": {"Sec-Fetch-Site": "same-site"},
    "another origin": {"Origin": "https://evil.example"},
    "an opaque origin": {"Origin": "null"},
    "an origin that looks like ours": {"Origin": "https://testserver.evil.example"},
    "no proof at all": {},
}
POSTS = [page for page in PAGES if page.method == "POST"]


@pytest.mark.parametrize("page", POSTS, ids=ids(POSTS))
async def test_a_change_from_elsewhere_is_refused(owner: Visitor, redis: RedisClient, page: Page) -> None:
    data = {"form_token": owner.secret.form_token, "reason": "x"}
    statuses = {}

    for origin, headers in FOREIGN.items():
        answer = await owner.client.post(
            f"{BASE_URL}{path_of(page)}", data=data, headers=owner.headers() | headers
        )
        statuses[origin] = answer.status_code

    assert statuses == dict.fromkeys(FOREIGN, 403)
    assert await entries(redis) == []


@pytest.mark.parametrize("page", CHANGES, ids=ids(CHANGES))
async def test_a_form_without_the_token_of_the_session_changes_nothing(
    owner: Visitor, redis: RedisClient, page: Page
) -> None:
    for given in ("", "0" * 64, "ü"):
        answer = await owner.post(path_of(page), form_token=given, reason="x")

        assert answer.status_code == 403
        assert heading(answer) == "Gửi lại biểu mẫu?"
    assert await entries(redis) == []


async def test_an_older_browser_proves_the_origin_and_htmx_sends_the_token_as_a_header(
    owner: Visitor,
) -> None:
    headers = owner.headers() | {"Origin": BASE_URL, "X-Form-Token": owner.secret.form_token}

    answer = await owner.client.post(f"{BASE_URL}/shops/{ORG}/pause", data={"reason": "thử"}, headers=headers)

    assert answer.status_code == 303


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("page", READS, ids=ids(READS))
async def test_a_page_has_one_heading_and_every_security_header(
    owner: Visitor, page: Page, language: str
) -> None:
    owner.language = language

    answer = await owner.get(path_of(page))

    if answer.status_code == 303 or page.name in (
        *("show_strip", "show_session", "download_activity", "export_rules"),
    ):
        return
    assert heading(answer)
    assert f'<html lang="{language}">' in answer.text
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    assert not re.search(r"<script(?! src=)|style=|\son\w+=|data:", answer.text)
    assert len(re.findall(r'id="main"', answer.text)) == 1
    identifiers = re.findall(r'\sid="([^"]*)"', answer.text)
    assert len(identifiers) == len(set(identifiers))


async def test_an_ops_token_opens_no_page_and_a_session_no_endpoint(owner: Visitor) -> None:
    token = {"Authorization": "Bearer ops-token-0123456789"}

    page = await owner.client.get(f"{BASE_URL}/shops", headers=token)
    endpoint = await owner.get("/ops/v1/shops")

    assert (page.status_code, endpoint.status_code) == (303, 401)


@pytest.mark.parametrize(
    ("serve", "status"), [("webhooks", 404), ("console", 200), ("webhooks,console", 200)]
)
async def test_the_pages_are_part_of_the_console(
    shops: ShopRepository, environ: dict[str, str], serve: str, status: int
) -> None:
    async with app_client(read_settings({**environ, "SERVE": serve})) as client:
        assert (await client.get("/login")).status_code == status


@pytest.mark.parametrize(("development", "status"), [("no", 404), ("yes", 200)])
async def test_the_page_of_components_exists_in_development_only(
    shops: ShopRepository, environ: dict[str, str], development: str, status: int
) -> None:
    async with app_client(read_settings({**environ, "DEVELOPMENT": development})) as client:
        assert (await client.get("/design")).status_code == status


async def test_the_start_is_the_only_shop_or_the_list(client: httpx2.AsyncClient, redis: RedisClient) -> None:
    some = await visit_as(client, redis, Role.VIEWER, name="some", shops=frozenset({OTHER_ORG}))
    every = await visit_as(client, redis, Role.VIEWER)

    assert location(await some.get("/")) == f"/shops/{OTHER_ORG}"
    assert location(await every.get("/")) == "/shops"


# change -> its form and the action of its entry. A new page that changes something needs a row here.
ACTIONS: dict[str, tuple[dict[str, str], str]] = {
    "sign_out": ({}, "sign_out"),
    "sign_out_everywhere": ({}, "sign_out_everywhere"),
    "change_password": (
        {"new_password": "mật khẩu rất dài", "again_password": "mật khẩu rất dài"},
        "set_password",
    ),
    "pause": ({"reason": "Chị Hoa báo lỗi"}, "pause"),
    "resume": ({}, "resume"),
    "add_endpoint": ({"url": "https://example.com/Hoa", "events": "shop.paused"}, "add_endpoint"),
    "add_user": ({"name": "an", "email": "hoa@example.com", "role": "ops"}, "add_user"),
    "change_user": ({"role": "ops"}, "change_user"),
    "create_link": ({}, "sign_in_link"),
    "remove_user": ({}, "remove_user"),
    "add_token": ({"name": "bao-cao", "role": "viewer", "days": "30"}, "add_token"),
    "revoke_token": ({}, "revoke_token"),
}
COVERED_ELSEWHERE = {
    "approve_first_look",  # shops/test_first_look.py
    *("rotate_endpoint", "switch_endpoint", "retry_endpoint", "remove_endpoint"),  # shops/test_endpoints.py
    *("read_customer", "change_exclusion"),  # customers/test_explain.py, test_changes.py
    *("retry_letters", "drop_letters"),  # activity/test_dead_letters.py
    *("start_run", "pause_run", "resume_run", "cancel_run"),  # activity/test_runs.py
    *("find_customer", "count_customers"),  # they are posted, and change nothing
    *("publish", "ask_approval", "roll_back"),  # publishing/test_review.py, test_history.py
    *("schedule", "move_scheduled", "cancel_scheduled", "edit_scheduled", "publish_scheduled"),  # publishing/
    *("set_freeze", "end_freeze"),  # publishing/test_freeze.py
    "discard_draft",  # rules/
}
# What changes the draft only: the draft says who saved it last, and its publish is what the audit log records.
DRAFT_ONLY = {
    *("add_rule", "save_editor", "save_source", "try_rule", "duplicate_rule", "remove_rule", "import_rules"),
    *("undo_draft", "redo_draft", "keep_draft"),
}


def test_every_change_is_in_the_table_of_actions() -> None:
    assert ACTIONS.keys() | COVERED_ELSEWHERE | DRAFT_ONLY == {page.name for page in CHANGES}


@pytest.mark.parametrize("page", [page for page in CHANGES if page.name in ACTIONS], ids=sorted(ACTIONS))
async def test_a_change_leaves_one_entry_by_this_user(
    owner: Visitor, visitor_of: VisitAs, redis: RedisClient, page: Page
) -> None:
    form, action = ACTIONS[page.name]
    if page.name == "revoke_token":
        await owner.post("/tokens/new", name="nobody", role="viewer", days="30")
    if page.name in ("change_user", "create_link", "remove_user"):
        await owner.post("/users/new", name="nobody", email="nobody@example.com", role="viewer")
    before = await entries(redis)

    answer = await owner.post(path_of(page), **form)

    assert answer.status_code in (200, 303), answer.text
    [added] = [row.entry for row in await entries(redis) if row not in before]
    assert (added.action, added.by, added.kind, added.role) == (action, "owner", "user", Role.OWNER)
    assert "hoa" not in added.summary.lower()


TEMPLATES = sorted(
    name for name in environment().list_templates() if name.endswith(".html") and "__pycache__" not in name
)
WITHOUT_TEXTS = {"design/design.html"}  # made-up content


def keys_of(template: str) -> Iterator[tuple[str, str]]:
    """Every key that a template asks a text for: `t("…")` and `t.plural("…")`; a key that is built ends with a dot."""
    source = environment().loader.get_source(environment(), template)[0]  # type: ignore[union-attr]
    for call in environment().parse(source).find_all(nodes.Call):
        match call.node:
            case nodes.Name(name="t"):
                kind = "text"
            case nodes.Getattr(node=nodes.Name(name="t"), attr="plural"):
                kind = "plural"
            case _:
                continue
        match call.args[0]:
            case nodes.Const(value=key):
                yield kind, str(key)
            case nodes.CondExpr(expr1=nodes.Const(value=one), expr2=nodes.Const(value=other)):
                yield kind, str(one)
                yield kind, str(other)


@pytest.mark.parametrize("template", TEMPLATES)
def test_every_text_of_a_template_is_in_the_catalogs(template: str) -> None:
    missing = [
        key for _, key in keys_of(template) for language in LANGUAGES if not translator_for(language).has(key)
    ]

    assert missing == []


@pytest.mark.parametrize("template", sorted(set(TEMPLATES) - WITHOUT_TEXTS))
def test_a_template_has_no_words_of_its_own(template: str) -> None:
    source = (Path("service/web/pages") / template).read_text(encoding="utf-8")
    shown = re.sub(
        r"\{%.*?%\}|\{\{.*?\}\}|\{#.*?#\}|<(script|svg|code|title)\b.*?</\1>|<[^>]*>|&\w+;",
        " ",
        source,
        flags=re.DOTALL,
    )

    shown = re.sub(r'\s[\w-]+="[^"]*"', " ", shown)  # attributes that a macro adds to an element

    assert re.findall(r"[^\W\d_]{2,}", shown) == []
