"""`tagger doctor`: nothing to say about a healthy shop, and a finding with the right exit code for every kind of trouble."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import typer

from deploy.cli.app import build_app
from service.doctor import COMMANDS, CONFIRMATIONS
from service.store.backup import BackupStatus, status
from service.store.client import RedisClient
from service.store.jobs.shared_metrics import Counters
from tests.deploy.cli.commands.troubles import SECRET, TROUBLES, Stage, Trouble
from tests.deploy.cli.environment import ORG, CliEnvironment
from tests.support.store import set_config

# found by tests/doctor: they need a server, a clock or a token of another kind
FOUND_ELSEWHERE = {
    "clock_skew",
    "store_cluster_node",
    "store_config_hidden",
    "store_cuts_torn_log",
    "store_emptied",
    "store_erasure_pending",
    "store_erasure_unreachable",
    "store_full_coverage_required",
    "store_no_fsync_on_rewrite",
    "store_no_replica",
    "store_replica",
    "store_replica_away",
    "store_replica_behind",
    "store_rewound",
    "store_server_away",
    "store_slow_failover",
    "store_uncovered_slots",
    "store_writes_without_replica",
    "token_of_other_shop",
    "shops_missing",
}


@pytest.fixture
async def stage(
    shop: CliEnvironment, redis: RedisClient, redis_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> AsyncIterator[Stage]:
    """A shop that lacks nothing: rules, webhooks, workers, alerts, a backup, and a server that writes to disk."""
    for name, value in {
        "DURABILITY": "everysec",
        "HARAVAN_WEBHOOK_SECRETS": SECRET,
        "ALERT_URLS": "json://127.0.0.1:9/alerts",
    }.items():
        monkeypatch.setenv(name, value)
    healthy = {"appendonly": "yes", "maxmemory": "0", "maxmemory-policy": "noeviction"}
    client: Any = redis
    before = await client.config_get(*healthy)
    for name, value in healthy.items():
        await set_config(redis, name, value)
    shop.haravan.app(url="https://tagger.example.com/webhooks/haravan")
    await shop.tagger("subscription", "add", ORG)
    await Counters(redis).flush()
    await status.save(redis, BackupStatus(int(time.time() * 1000), every_h=24))
    stage = Stage(shop, redis, monkeypatch, tmp_path, redis_url)
    await stage.publish("Hồ Chí Minh")
    await stage.send(1)
    yield stage
    for name, value in before.items():
        await set_config(redis, name, value)


async def findings_of(stage: Stage, *words: str) -> tuple[int, dict[str, dict[str, str]]]:
    """The exit code, and the findings that are no confirmations by key."""
    result = await stage.shop.tagger("doctor", *words, "--json", "--lang", "en")
    findings = json.loads(result.out)["findings"]
    return result.code, {each["key"]: each for each in findings if each["severity"] != "ok"}


async def test_a_healthy_shop_has_only_confirmations(stage: Stage) -> None:
    result = await stage.shop.tagger("doctor", ORG, "--lang", "en")

    assert (result.code, result.err) == (0, "")
    assert {line.split()[0] for line in result.out.splitlines() if line.startswith("  ")} == {"✔"}
    assert "The token works: 20 customers." in result.out
    assert result.out.rstrip().endswith("Nothing is wrong.")


@pytest.mark.parametrize(
    "trouble", TROUBLES, ids=lambda trouble: f"{trouble.key} {trouble.name or trouble.severity}"
)
async def test_every_trouble_has_its_finding_and_its_exit_code(stage: Stage, trouble: Trouble) -> None:
    await trouble.make(stage)

    code, findings = await findings_of(stage, ORG)

    found = findings.get(trouble.key)
    assert found is not None, findings
    assert (found["severity"], found["org"]) == (trouble.severity, trouble.org)
    assert code == (1 if "critical" in {each["severity"] for each in findings.values()} else 0)
    assert code == (trouble.severity == "critical"), findings


async def test_the_texts_name_what_happened_and_the_command_that_repairs_it(stage: Stage) -> None:
    await stage.send(5, org="1000114691")
    await stage.send(6, secret="another")

    result = await stage.shop.tagger("doctor", "--lang", "en")

    assert result.code == 1
    assert "1000114691 (5)" in result.out
    assert "→ tagger shops add 1000114691" in result.out
    assert ": 6, none accepted. Likely they are signed with another secret." in result.out
    assert f"→ tagger shops secret {ORG}" in result.out
    assert result.out.rstrip().endswith("This needs somebody now (2 problems).")


async def test_an_endpoint_that_a_person_disabled_is_no_problem(stage: Stage) -> None:
    await stage.shop.tagger("events", "add", ORG, "https://example.com/hook")
    await stage.shop.tagger("events", "disable", ORG, "E1")

    result = await stage.shop.tagger("doctor", ORG, "--lang", "en")

    assert "Nothing is sent to endpoint E1: a person disabled it." in result.out
    assert result.out.rstrip().endswith("Nothing is wrong.")


async def test_it_speaks_vietnamese(stage: Stage) -> None:
    result = await stage.shop.tagger("doctor", ORG, "--lang", "vi")

    assert "Mọi thứ đều ổn." in result.out
    assert "Nothing" not in result.out


async def test_without_a_shop_it_says_how_to_add_one(environment: CliEnvironment) -> None:
    result = await environment.tagger("doctor", "--lang", "en")

    assert result.code == 1
    assert "There is no shop yet." in result.out
    assert "→ tagger shops add ORG" in result.out


async def test_an_unknown_shop_is_refused(environment: CliEnvironment) -> None:
    result = await environment.tagger("doctor", ORG)

    assert result.code == 1
    assert ORG in result.err


def test_every_finding_is_tested() -> None:
    found = {trouble.key for trouble in TROUBLES}

    assert found | FOUND_ELSEWHERE | set(CONFIRMATIONS) == set(COMMANDS)


@pytest.mark.parametrize("line", sorted({line for line in COMMANDS.values() if line.startswith("tagger ")}))
def test_every_command_that_repairs_something_exists(line: str) -> None:
    command: Any = typer.main.get_command(build_app())
    for word in line.split()[1:]:
        if not hasattr(command, "commands"):
            break
        command = command.commands[word]
    options = {option for parameter in command.params for option in parameter.opts}
    assert not hasattr(command, "commands")
    assert {word for word in line.split() if word.startswith("--")} <= options
