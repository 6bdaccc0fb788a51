"""Every command that the runbook names runs for a shop of the sandbox."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any, Final

import pytest
from arq.connections import ArqRedis

from service.domain.customers import OrgId
from service.store.client import keys
from service.store.history import audit_log
from tests.deploy.cli.environment import ABOVE, ORG, TOKEN, CliEnvironment, store_customers, write_rules

RUNBOOK: Final = (Path(__file__).parents[3] / "deploy/RUNBOOK.md").read_text(encoding="utf-8")
COMMAND: Final = re.compile(r"`tagger (.+?)`", re.DOTALL)  # a command may be broken between two lines
RUN_FOREVER: Final = {"up", "web", "worker", "demo", "sandbox"}
ASK_FOR_A_SECRET: Final = {"shops add", "shops token", "shops secret"}
ASK_FOR_A_CONFIRMATION: Final = {"shops remove", "customers erase", "rules adopt"}
TAG: Final = "VIP"


def documented() -> list[str]:
    return sorted({" ".join(words.split()) for words in COMMAND.findall(RUNBOOK)})


def is_reference(words: list[str]) -> bool:
    """Whether only the name of a command that needs arguments is written, as in "see `tagger explain`"."""
    return words[-1].islower() and " ".join(words) not in {
        *("doctor", "shops list", "tokens list", "users list", "audit list", "audit verify"),
        *("keys status", "keys rotate", "keys rotate --delete-unreadable"),
        f"rules retract ORG {TAG}",
    }


@pytest.fixture
async def values(shop: CliEnvironment, redis: ArqRedis, rules: Path, tmp_path: Path) -> dict[str, str]:
    """What the placeholders of the runbook stand for: a shop with two versions, a customer, a token and a user."""
    lower = write_rules(tmp_path, 9_000_000)
    for file in (rules, lower):
        published = await shop.tagger("rules", "publish", ORG, str(file), "--approve")
        assert published.code == 0, published.err
    await store_customers(redis, ABOVE)
    for words in (
        ("tokens", "add", "bao-cao", "--role", "viewer"),
        ("users", "add", "bao-cao", "--email", "a@example.com", "--role", "owner"),
        ("users", "add", "lan", "--email", "b@example.com", "--role", "owner"),
    ):
        assert (await shop.tagger(*words)).code == 0
    shop.haravan.app(url="https://tagger.example.com/webhooks/haravan")
    client: Any = redis
    await client.hset(keys.shop(ORG, "state"), mapping={"removals_paused": "removal_guard"})
    customer = shop.haravan.ids()[0]
    head = (await audit_log.verify(redis, OrgId(ORG))).last_hash
    return {
        "ORG": ORG,
        "ID": str(customer),
        "CUSTOMER": str(customer),
        "FILE": str(rules),
        "N": "1",
        "TAG": TAG,
        "NAME": "bao-cao",
        "ROLE": "viewer",
        "FIELD": "province",
        "HASH": head,
        "…": "Tết",
    }


@pytest.mark.parametrize("command", documented())
async def test_a_command_of_the_runbook_runs(
    shop: CliEnvironment, values: dict[str, str], command: str
) -> None:
    written = shlex.split(command)
    words = [values.get(word, word) for word in written]
    name = " ".join(written[:2])
    stdin = ""
    if words[-1] == "--since":  # the text goes on: "the last delivery"
        words.append("2h")
    if written[0] in RUN_FOREVER or is_reference(written):
        words.append("--help")
    elif name in ASK_FOR_A_SECRET:
        words += ["--token-stdin", *(("--api-url", f"{shop.url}/com") if name == "shops add" else ())]
        stdin = TOKEN
    elif name in ASK_FOR_A_CONFIRMATION:
        words.append("--yes")
    elif name == "tokens add":
        words[2] = "ket-noi"
    elif name == "shops pause":
        words += [] if "--reason" in words else ["--reason", "Tết"]

    result = await shop.tagger(*words, stdin=stdin)

    assert result.code in (0, 1), (words, result.out, result.err)
    assert "Traceback" not in result.err


def test_the_commands_are_found() -> None:
    assert {"keys rotate --delete-unreadable", "reconcile ORG --since", "shops resume ORG --removals"} <= set(
        documented()
    )
