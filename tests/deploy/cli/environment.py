"""The command line in this process, with a real Redis server and a sandbox shop as Haravan."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.cli.app import run_command
from deploy.sandbox import ShopHandle
from service.domain.customers.customer import Customer, encode_snapshot
from service.domain.decisions.state import OWNERSHIP_CODEC, Ownership
from service.store.client import RedisClient, keys

ORG = "1000000001"
TOKEN = "sandbox-token-one"
DEMO_RULES = str(Path(__file__).parents[3] / "deploy/rules/demo.yaml")
VIP = "version: 1\nrules:\n  - {id: vip, name: Khách VIP, tag: VIP, when: {field: total_spent, op: at_least, value: %d}}\n"
TIERS = "version: 1\ntiers: [{id: hang, name: Hạng, levels: [{tag: Gold, when: {field: total_spent, op: at_least, value: 10_000_000}}]}]\n"
ABOVE = Customer(
    id=1, total_spent=20_000_000_0000, tags=("VIP",)
)  # above and below the threshold of 10 million
BELOW = Customer(id=2, total_spent=9_660_000_0000)
TAGGED_BY_HAND = Customer(id=3, total_spent=5_0000, tags=("vip", "Khách sỉ"))


@dataclass(frozen=True, slots=True)
class CommandResult:
    """The exit code and the output of one command."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class CliEnvironment:
    """A sandbox shop, and `tagger` as a function of its arguments."""

    haravan: ShopHandle
    url: str
    tagger: Callable[..., Awaitable[CommandResult]]


def run_in_process(words: Sequence[str], stdin: str) -> CommandResult:
    """Run one command in this process: starting Python for each would make the suite slow."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    before, sys.stdin = sys.stdin, io.StringIO(stdin)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            run_command(words)
    except SystemExit as exc:
        code = exc.code if isinstance(exc.code, int) else 1
    finally:
        sys.stdin = before
    return CommandResult(code, out.getvalue(), err.getvalue())


def write_rules(folder: Path, threshold: int) -> Path:
    path = folder / f"rules-{threshold}.yaml"
    path.write_text(VIP % threshold, encoding="utf-8")
    return path


async def store_customers(redis: RedisClient, *customers: Customer) -> None:
    """Store customers as a drain leaves them."""
    client: Any = redis
    for customer in customers:
        await client.hset(keys.shop(ORG, "snapshots"), str(customer.id), encode_snapshot(customer))
        if "VIP" in customer.tags:
            owned = OWNERSHIP_CODEC.encode({"vip": Ownership("VIP", "vip", 1_700_000_000_000, 1)})
            await client.hset(keys.shop(ORG, "owned"), str(customer.id), owned)
