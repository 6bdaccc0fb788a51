"""Conditional requests: what is unchanged is not sent again, and nobody overwrites what somebody else published."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx2
import pytest

from service.domain.access import shell_user
from service.domain.customers import OrgId
from service.store.client import RedisClient
from service.web.ops.contract.conditions import check_version, is_unchanged, parse_tags, version_etag
from service.web.ops.contract.requests import Request
from service.web.problems import Problem
from tests.web.ops.conftest import API, LOW, audit_entries, get, post


async def test_an_unchanged_answer_is_not_sent_again(rules_ops: httpx2.AsyncClient) -> None:
    for path, tag in (("", None), ("/rules", '"v1"'), ("/audit", None)):
        first = await rules_ops.get(f"{API}{path}")
        same = await rules_ops.get(
            f"{API}{path}", headers={"If-None-Match": f'"x", W/{first.headers["etag"]}'}
        )
        other = await rules_ops.get(f"{API}{path}", headers={"If-None-Match": '"x"'})

        assert tag in (None, first.headers["etag"])
        assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", first.headers["etag"])
        assert (other.status_code, other.content) == (200, first.content)


async def test_rules_are_published_over_the_version_that_they_are_based_on(
    rules_ops: httpx2.AsyncClient, redis: RedisClient
) -> None:
    path, body = f"{API}/rules/publish", {"rules": LOW, "approve": True}
    missing = await rules_ops.post(path, json=body)
    wrong = await rules_ops.post(path, json=body, headers={"If-Match": "v1"})
    older = await rules_ops.post(path, json=body, headers={"If-Match": '"v7"'})
    assert await audit_entries(redis) == [("an", "publish")]
    done = await rules_ops.post(path, json=body, headers={"If-Match": '"v1"'})

    assert [each.status_code for each in (missing, wrong, older, done)] == [428, 400, 412, 200]
    assert (older.json()["live"], older.json()["expected"], older.headers["etag"]) == (
        '"v1"',
        ['"v7"'],
        '"v1"',
    )
    assert done.headers["etag"] == '"v2"'
    assert (await get(rules_ops, "rules"))["version"]["number"] == 2


LATER = (datetime.now(UTC) + timedelta(hours=1)).isoformat()


@pytest.mark.parametrize("path", ["rules/rollback", "rules/scheduled/publish"])
async def test_a_roll_back_and_a_scheduled_publish_obey_a_condition(
    rules_ops: httpx2.AsyncClient, path: str
) -> None:
    await post(rules_ops, "rules/scheduled", rules=LOW, at=LATER, approve=True)
    body = {"to": 0} if path.endswith("rollback") else {"approve": True}

    refused = await post(rules_ops, path, if_match='"v7"', status=412, **body)

    assert refused["type"] == "/ops/problems#version-changed"


def test_any_of_several_tags_is_enough() -> None:
    request = Request(shell_user("lan"), OrgId("1"), {}, None, ['"v3"', '"v4"'])

    check_version(request, 4)
    check_version(request._replace(if_match=["*"]), 9)
    check_version(request._replace(if_match=[]), 9)
    with pytest.raises(Problem, match='began from "v3", "v4"'):
        check_version(request, 5)


def test_headers_are_parsed() -> None:
    assert parse_tags("If-Match", None) == []
    assert parse_tags("If-Match", '"v1" , W/"v2"') == ['"v1"', 'W/"v2"']
    assert (version_etag(0), is_unchanged('"v0"', ["*"]), is_unchanged('"v0"', [])) == ('"v0"', True, False)
    for text in ("v1", '"v1', '"a","b" c', "*, *", '"' + "x" * 999 + '"'):
        with pytest.raises(Problem):
            parse_tags("If-Match", text)
