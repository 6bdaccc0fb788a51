"""Arguments are parsed before anything is opened: a wrong one is a usage error, also if Redis does not answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.deploy.cli.environment import DEMO_RULES, run_in_process
from tests.support.ports import free_port

WRONG = (
    "audit list --shop abc",
    "audit verify --shop abc",
    "backfill abc",
    "customers delete 1 abc --yes",
    "customers export 1 abc",
    "customers erase 1 abc --yes",
    "customers list 1 --ids 5,abc",
    "customers list 1 --updated-since yesterday",
    "customers list abc",
    "customers show 1 0",
    "customers tag 1 -5 VIP",
    "dead-letters drop 1 abc",
    "dead-letters list abc",
    "dead-letters retry 1 2 abc",
    "deliveries 1 --customer abc",
    "deliveries 1 --since yesterday",
    "doctor abc",
    "explain 1 2 --on 2026-02-30",
    "explain 1 ２",
    "explain abc 2",
    "reconcile 1 --since 2d3h",
    "replay 1 --customers 5,abc",
    "replay 1 --since tomorrow",
    "replay abc --everybody",
    "rules adopt abc VIP",
    f"rules check {DEMO_RULES} --org abc",
    "rules diff abc 1",
    "rules exclude 1 abc rule",
    "rules history abc",
    f"rules preview abc {DEMO_RULES}",
    f"rules publish abc {DEMO_RULES}",
    "rules retract abc VIP",
    "rules rollback abc 1",
    "rules show abc",
    "rules values abc province",
    "shops approve abc",
    "shops live abc",
    "shops pause abc",
    "shops remove abc --yes",
    "shops resume abc",
    "shops shadow abc",
    "subscription add abc",
    "subscription status abc",
    "tokens add name --role king",
    "tokens add name --role viewer --expires sometime",
    "tokens add name --role viewer --shop abc",
    "users add name --email a@example.com --role king",
    "users add name --email a@example.com --role viewer --shop abc",
)


@pytest.mark.parametrize("line", WRONG)
def test_a_wrong_argument_is_a_usage_error_without_redis(
    line: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("REDIS_URL", f"redis://127.0.0.1:{free_port()}/0")
    monkeypatch.chdir(tmp_path)

    result = run_in_process(line.split(), "")

    assert result.code == 2, result.err
    assert result.err
    assert "Redis" not in result.err


def test_a_right_argument_gets_as_far_as_redis(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REDIS_URL", f"redis://127.0.0.1:{free_port()}/0")
    monkeypatch.chdir(tmp_path)

    result = run_in_process(["rules", "show", "1000000001"], "")

    assert (result.code, "Redis does not answer" in result.err) == (3, True)
