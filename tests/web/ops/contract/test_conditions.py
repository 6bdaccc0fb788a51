"""Conditional requests: what is unchanged is not sent again, and nobody overwrites what somebody else published."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import httpx2
import pytest

from service.domain.access import shell_user
from service.domain.customers import OrgId
from service.store.client import RedisClient
from service.store.rules import RulesChanged
from service.web.ops.contract.conditions import (
    check_version,
    is_unchanged,
    over_version,
    parse_tags,
    version_etag,
)
from service.web.ops.contract.requests import Request
from service.web.problems import Problem
from tests.web.ops.conftest import API, HIGH, LOW, audit_entries, get, post


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


async def test_of_publishes_at_the_same_time_over_one_version_one_is_made_and_the_others_get_412(
    rules_ops: httpx2.AsyncClient, redis: RedisClient
) -> None:
    answers = await asyncio.gather(
        *(
            rules_ops.post(
                f"{API}/rules/publish",
                json={"rules": LOW.replace("9000000", f"900000{number}"), "approve": True},
                headers={"If-Match": '"v1"'},
            )
            for number in range(6)
        )
    )

    assert sorted(each.status_code for each in answers) == [200, 412, 412, 412, 412, 412]
    late = [each.json() for each in answers if each.status_code == 412]
    assert {(each["type"], each["live"]) for each in late} == {("/ops/problems#version-changed", '"v2"')}
    assert (await get(rules_ops, "rules"))["version"]["number"] == 2


async def test_a_publish_over_whatever_is_live_that_comes_too_late_is_refused(
    rules_ops: httpx2.AsyncClient,
) -> None:
    answers = await asyncio.gather(
        *(
            rules_ops.post(
                f"{API}/rules/publish",
                json={"rules": LOW.replace("9000000", f"900000{number}"), "approve": True},
                headers={"If-Match": "*"},
            )
            for number in range(6)
        )
    )

    assert {each.status_code for each in answers} <= {200, 409}
    assert 200 in {each.status_code for each in answers}


async def test_a_draft_is_saved_or_discarded_over_one_state_and_never_both(
    rules_ops: httpx2.AsyncClient,
) -> None:
    path = f"{API}/rules/draft"
    saved = await rules_ops.put(path, json={"rules": LOW}, headers={"If-Match": "*"})
    condition = {"If-Match": saved.headers["etag"]}

    answers = await asyncio.gather(
        *(rules_ops.put(path, json={"rules": HIGH}, headers=condition) for _ in range(3)),
        *(rules_ops.delete(path, headers=condition) for _ in range(3)),
    )

    assert sorted(each.status_code for each in answers) == [200, 412, 412, 412, 412, 412]


@pytest.mark.parametrize("tags", [['"v1"'], ["*"], []])
async def test_a_version_that_goes_live_while_another_is_made_breaks_the_condition_that_names_one(
    tags: list[str],
) -> None:
    request = Request(shell_user("lan"), OrgId("1"), {}, None, tags)

    with pytest.raises(Problem if tags == ['"v1"'] else RulesChanged), over_version(request, 1):
        raise RulesChanged("version 2 was published meanwhile", live=2)


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
