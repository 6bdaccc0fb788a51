"""A customer with a canary in every personal field goes through everything; then nobody can read a canary anywhere."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import structlog

from service.context import Context
from service.operations import erase_personal_data, export_personal_data
from service.store.client import RedisClient, connect, keys
from service.store.jobs import pending
from service.store.queue import dead_letters
from service.store.topology import rewrite_after_erasure
from tests.deploy.cli.environment import run_in_process
from tests.support import canaries
from tests.support.actors import LAN
from tests.support.shop import OPS_TOKEN, ORG
from tests.support.valkey import valkey
from tests.support.wait import wait_until
from tests.system.environment import RULES, System, running

pytestmark = pytest.mark.timeout(600)

STREET = "canary street 12"
PERSON = {
    "first_name": canaries.NAME,
    "last_name": "Canary-Họ",
    "email": canaries.EMAIL,
    "phone": canaries.PHONE,
    "note": canaries.NOTE,
    "birthday": "1987-06-05T00:00:00Z",
}
SECRETS = (canaries.NAME, "Canary-Họ", canaries.EMAIL, canaries.PHONE, canaries.NOTE, STREET)
BY_EMAIL = """
  - id: mail
    name: Gmail
    tag: Gmail
    when: {field: email, op: contains, value: "example.com"}
"""
READS_EMAIL = RULES.replace("tiers:", BY_EMAIL + "tiers:", 1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def store_url(folder: Path) -> Iterator[str]:
    folder.mkdir()
    with valkey(folder, fsync="always") as url:
        yield url


@pytest.fixture
async def system(store_url: str) -> AsyncIterator[System]:
    redis = connect(store_url, timeout_s=60)
    async with running(redis, store_url) as system:
        yield system
    await redis.aclose()


def found(text: str) -> list[str]:
    """The canaries in a text, also in the spelling of JSON with escapes."""
    return [
        canary
        for canary in SECRETS
        if canary in text or json.dumps(canary)[1:-1].casefold() in text.casefold()
    ]


def found_on_disk(folder: Path) -> list[str]:
    """The canaries in the files of the store."""
    data = b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())
    assert len(data) > 1_000
    return [canary for canary in SECRETS if canary.encode() in data]


async def answers_of_the_api(url: str) -> str:
    """Everything that the ops API says of the customer and the shop unless it is asked for personal data."""
    shop, headers = f"/ops/v1/shops/{ORG}", {"Authorization": f"Bearer {OPS_TOKEN}"}
    texts: list[str] = []
    async with httpx2.AsyncClient(base_url=url, headers=headers, timeout=120) as client:
        customer = f"{shop}/customers/7"
        for path in (shop, customer, f"{shop}/deliveries", f"{shop}/dead-letters", f"{shop}/rules"):
            answer = await client.get(path)
            assert answer.status_code == 200, (path, answer.text)
            texts.append(answer.text)
        for path, body in (
            ("rules/preview", {"rules": READS_EMAIL}),
            ("replays", {"reason": "test", "customers": [7]}),
            ("dead-letters/retry", {}),
        ):
            answer = await client.post(f"{shop}/{path}", json=body)
            texts.append(answer.text)
    return "\n".join(texts)


async def output_of_commands(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """What the commands about a customer print unless they are asked for personal data."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    texts: list[str] = []
    for words in (
        ("customers", "list", ORG),
        ("customers", "show", ORG, "7"),
        ("explain", ORG, "7"),
        ("deliveries", ORG),
        ("dead-letters", "list", ORG),
        ("replay", ORG, "--customers", "7", "--reason", "test"),
        ("doctor",),
    ):
        result = await asyncio.to_thread(run_in_process, words, "")
        texts += [result.out, result.err]
    return "\n".join(texts)


async def test_no_canary_is_readable_anywhere_and_after_the_erasure_nothing_is_left(
    system: System, folder: Path, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with structlog.testing.capture_logs() as log:
        await system.publish(READS_EMAIL)
        system.haravan.create(id=7, total_spent=12_000_000, **PERSON)
        await system.settled()
        assert system.haravan.tags(7) == {"VIP", "Bạc", "Gmail"}

        answers = await answers_of_the_api(system.url)
        printed = await output_of_commands(
            {"REDIS_URL": store_url, "SECRET_KEY": system.settings.secret_keys[0]}, monkeypatch
        )
        await nothing_is_under_way(system)
    context = Context(system.redis, system.shops, system.versions)
    shop = await system.shops.describe(ORG)
    exported = json.dumps(await export_personal_data(context, shop, 7, by=LAN), default=str)  # type: ignore[arg-type]

    assert len(log) > 3
    assert found(str(log)) == []
    assert found(answers) == []
    assert len(printed) > 500
    # names are shown to the person who works with customers; e-mail, phone and note are masked
    assert set(found(printed)) <= {canaries.NAME, "Canary-Họ"}
    assert found_on_disk(folder) == []
    # what is kept is what the page on privacy says: names and, because a rule reads it, the e-mail
    assert set(found(exported)) == {canaries.NAME, "Canary-Họ", canaries.EMAIL}

    await erase_personal_data(context, shop, 7, by=LAN)  # type: ignore[arg-type]
    assert await rewrite_after_erasure(system.redis, min_interval_ms=0)

    assert found_on_disk(folder) == []
    assert await keys_that_name(system.redis, "7") == {"erased:7"}


async def nothing_is_under_way(system: System) -> None:
    """Wait until no replay is still to mark the customer, who would be evaluated anew after the erasure."""

    async def is_marked() -> bool:
        return not await pending.list_jobs(system.redis, ORG)

    await wait_until(is_marked, timeout_s=300)
    await system.settled()


async def keys_that_name(redis: RedisClient, customer: str) -> set[str]:
    """The hashes and keys of the shop that have something by customer."""
    client: Any = redis
    named: set[str] = set()
    async for key in client.scan_iter(match=keys.shop(ORG, "*")):
        name = key.decode().removeprefix(keys.shop(ORG))
        is_hash = await client.type(key) == b"hash"
        if name.rpartition(":")[2] == customer or (is_hash and await client.hexists(key, customer)):
            named.add(name)
    return named - {"versions", "inherited"}  # by the number of a version


async def test_an_erased_customer_that_is_marked_again_is_evaluated_anew(system: System) -> None:
    system.haravan.create(id=7, total_spent=12_000_000, **PERSON)
    await system.settled()
    context = Context(system.redis, system.shops, system.versions)
    shop = await system.shops.describe(ORG)

    await erase_personal_data(context, shop, 7, by=LAN)  # type: ignore[arg-type]
    system.haravan.order(7, 50_000_000)
    await system.settled()

    assert system.haravan.tags(7) >= {"VIP", "Vàng"}
    assert await system.redis.hexists(system.key("snapshots"), "7")


async def test_a_refusal_that_names_the_customer_is_masked_in_logs_and_files(
    system: System, folder: Path
) -> None:
    text = f"{canaries.NAME}, {STREET}: {canaries.EMAIL}, {canaries.PHONE} is not valid"
    system.haravan.faults.fail(
        422, rate=1.0, endpoint="POST tags", body=json.dumps({"errors": {"tags": [text]}}, ensure_ascii=False)
    )
    with structlog.testing.capture_logs() as log:
        system.haravan.create(id=7, total_spent=12_000_000, **PERSON)

        async def has_dead_letter() -> bool:
            system.clock.advance(600)
            return bool(await dead_letters.list_open(system.redis, ORG))

        await wait_until(has_dead_letter, timeout_s=300)

    assert set(found(str(log))).isdisjoint({canaries.EMAIL, canaries.PHONE})
    assert set(found_on_disk(folder)) <= {canaries.NAME, STREET}  # of the dead letter, until it is closed
