"""`tagger audit`, and that every command that changes something leaves an entry."""

from __future__ import annotations

import getpass
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import typer.main

from deploy.cli.app import build_app
from service.domain.access import Role
from service.domain.customers import OrgId
from service.store.client import SERVICE, RedisClient, keys
from service.store.history import AuditRow, audit_log
from service.store.shops import save_first_look
from tests.deploy.cli.environment import (
    ABOVE,
    ORG,
    TAGGED_BY_HAND,
    TOKEN,
    CliEnvironment,
    store_customers,
    write_rules,
)

TOMORROW = (datetime.now(UTC) + timedelta(days=2)).date().isoformat()  # in every zone
LATER = f"{TOMORROW} 08:00"


@dataclass(frozen=True, slots=True)
class Given:
    """What a command works with: a shop with rules and two customers, and one customer in Haravan."""

    cli: CliEnvironment
    redis: RedisClient
    rules: str
    customer: str


REPLAY = "R2"  # the first replay, after the run of the publish
Prepare = Callable[[Given], Awaitable[Any]]
Words = Callable[[Given], list[str]]

READS = {
    *("demo", "up", "web", "worker", "sandbox", "doctor", "deliveries", "explain"),
    "store status",
    "store move",  # the store would refuse writes afterwards; tests/store/move has its entry
    "migrate",  # as long as there is no migration; tests/store/migrations has one
    *(
        "shops list",
        "tokens list",
        "users list",
        "audit list",
        "audit verify",
        "dead-letters list",
        "dead-letters groups",
        "runs list",
        "runs show",
        "subscription status",
    ),
    *("rules check", "rules show", "rules preview", "rules history", "rules diff", "keys status"),
    *("rules schema", "rules values", "rules fields", "rules scheduled"),
    *("customers list", "customers search", "customers count", "customers get"),
    *("customers groups", "customers orders", "events list", "events rejected"),
}


async def nothing(_: Given) -> None: ...


async def dead_letter(given: Given) -> None:
    letter = {"rejected": {"text": "422", "first": 1, "last": 2, "count": 3, "transient": False}}
    await given.redis.hset(keys.shop(OrgId(ORG), "dead_letters"), "7", json.dumps(letter))


async def second_version(given: Given) -> None:
    lower = write_rules(Path(given.rules).parent, 9_000_000)
    assert (await given.cli.tagger("rules", "publish", ORG, str(lower), "--approve")).code == 0


async def no_rules(given: Given) -> None:
    empty = Path(given.rules).with_name("empty.yaml")
    empty.write_text("version: 1\nrules: []\n", encoding="utf-8")
    assert (await given.cli.tagger("rules", "publish", ORG, str(empty), "--approve")).code == 0


async def waits_for_approval(given: Given) -> None:
    await save_first_look(given.redis, OrgId(ORG), "waiting")


async def other_rules(given: Given) -> None:
    write_rules(Path(given.rules).parent, 9_000_000).replace(given.rules)


async def shadow(given: Given) -> None:
    await given.cli.tagger("shops", "shadow", ORG)


async def scheduled(given: Given) -> None:
    words = ("rules", "schedule", ORG, given.rules, "--at", LATER, "--approve")
    assert (await given.cli.tagger(*words)).code == 0


async def planned_freeze(given: Given) -> None:
    assert (await given.cli.tagger("shops", "freeze", ORG, "--from", TOMORROW, "--to", TOMORROW)).code == 0


async def app_url(given: Given) -> None:
    given.cli.haravan.app(url="https://tagger.example.com/webhooks/haravan")


async def subscribed(given: Given) -> None:
    await app_url(given)
    await given.cli.tagger("subscription", "add", ORG)


async def removed(given: Given) -> None:
    await given.cli.tagger("shops", "remove", ORG, "--yes")


async def replay(given: Given) -> None:
    await given.cli.tagger("replay", ORG, "--customers", "1")


async def paused_replay(given: Given) -> None:
    await replay(given)
    await given.cli.tagger("runs", "pause", ORG, REPLAY)


async def endpoint(given: Given) -> None:
    assert (await given.cli.tagger("events", "add", ORG, "https://example.com/hook")).code == 0


def backup_words(given: Given) -> list[str]:
    key = Path(given.rules).with_name("backup.key")
    key.write_text("0123456789abcdef" * 4, encoding="ascii")
    return [str(Path(given.rules).with_name("tagger.backup")), "--key-file", str(key)]


async def backup_of_removed(given: Given) -> None:
    await given.redis.delete(keys.shop(OrgId(ORG), "audit"))  # otherwise its entries would come back as well
    assert (await given.cli.tagger("backup", *backup_words(given))).code == 0
    await removed(given)


async def token(given: Given) -> None:
    await given.cli.tagger("tokens", "add", "bao-cao", "--role", "viewer")


async def users(given: Given) -> None:
    for name, role in (("lan", "owner"), ("an", "viewer")):
        await given.cli.tagger("users", "add", name, "--email", f"{name}@example.com", "--role", role)


# command -> what it needs, its arguments, the action of its entry. A new command that changes something needs a row here,
# and one that shows personal data of a customer.
CHANGES: Mapping[str, tuple[Prepare, Words, str]] = {
    "shops add": (
        removed,
        lambda given: [ORG, "--name", "Hoa", "--api-url", f"{given.cli.url}/com", "--token-stdin"],
        "add_shop",
    ),
    "shops remove": (nothing, lambda _: [ORG, "--yes"], "remove_shop"),
    "shops token": (nothing, lambda _: [ORG, "--token-stdin"], "shop_token"),
    "shops secret": (nothing, lambda _: [ORG, "--token-stdin"], "shop_secret"),
    "shops pause": (nothing, lambda _: [ORG, "--reason", "Chị Hoa báo lỗi"], "pause"),
    "shops resume": (nothing, lambda _: [ORG, "--removals"], "resume"),
    "shops shadow": (nothing, lambda _: [ORG], "shadow"),
    "shops live": (shadow, lambda _: [ORG, "--approve"], "live"),
    "shops approve": (waits_for_approval, lambda _: [ORG], "approve"),
    "shops freeze": (nothing, lambda _: [ORG, "--from", TOMORROW, "--to", TOMORROW], "freeze"),
    "shops unfreeze": (planned_freeze, lambda _: [ORG], "cancel_freeze"),
    "rules schedule": (
        nothing,
        lambda given: [ORG, given.rules, "--at", LATER, "--note", "Hoa", "--approve"],
        "schedule",
    ),
    "rules reschedule": (scheduled, lambda _: [ORG, "--at", LATER], "reschedule"),
    "rules unschedule": (scheduled, lambda _: [ORG], "unschedule"),
    "rules publish-scheduled": (scheduled, lambda _: [ORG, "--approve"], "publish"),
    "rules publish": (other_rules, lambda given: [ORG, given.rules, "--note", "Hoa", "--approve"], "publish"),
    "rules rollback": (second_version, lambda _: [ORG, "1", "--note", "Hoa", "--approve"], "rollback"),
    "rules adopt": (nothing, lambda _: [ORG, "VIP", "--yes"], "adopt"),
    "rules retract": (no_rules, lambda _: [ORG, "VIP", "--approve"], "retract"),
    "rules exclude": (nothing, lambda _: [ORG, "1", "vip"], "exclude"),
    "subscription add": (app_url, lambda _: [ORG], "subscribe"),
    "subscription remove": (subscribed, lambda _: [ORG], "unsubscribe"),
    "customers create": (nothing, lambda _: [ORG, "--set", "first_name=Hoa"], "create_customer"),
    "customers update": (
        nothing,
        lambda given: [ORG, given.customer, "--set", "note=Hoa"],
        "update_customer",
    ),
    "customers delete": (nothing, lambda given: [ORG, given.customer, "--yes"], "delete_customer"),
    "customers tag": (nothing, lambda given: [ORG, given.customer, "Sỉ"], "tag_customer"),
    "customers untag": (nothing, lambda given: [ORG, given.customer, "Sỉ"], "tag_customer"),
    "dead-letters retry": (dead_letter, lambda _: [ORG], "retry_dead_letters"),
    "dead-letters drop": (dead_letter, lambda _: [ORG, "7", "--reason", "thử"], "drop_dead_letters"),
    "runs pause": (replay, lambda _: [ORG, REPLAY], "pause_replay"),
    "runs resume": (paused_replay, lambda _: [ORG, REPLAY], "resume_replay"),
    "runs cancel": (replay, lambda _: [ORG, REPLAY], "cancel_replay"),
    "replay": (nothing, lambda _: [ORG, "--customers", "1", "--reason", "Hoa"], "replay"),
    "backfill": (nothing, lambda _: [ORG], "backfill"),
    "reconcile": (nothing, lambda _: [ORG, "--since", "1h"], "reconcile"),
    "customers export": (nothing, lambda given: [ORG, given.customer], "export_customer"),
    "customers erase": (nothing, lambda given: [ORG, given.customer, "--yes"], "erase_customer"),
    "keys rotate": (nothing, lambda _: [], "rotate_keys"),
    "backup": (nothing, backup_words, "backup"),
    "events add": (nothing, lambda _: [ORG, "https://example.com/hook?key=Hoa"], "add_endpoint"),
    "events change": (endpoint, lambda _: [ORG, "E1", "--url", "https://example.com/Hoa"], "change_endpoint"),
    "events rotate": (endpoint, lambda _: [ORG, "E1"], "rotate_endpoint_secret"),
    "events disable": (endpoint, lambda _: [ORG, "E1"], "disable_endpoint"),
    "events enable": (endpoint, lambda _: [ORG, "E1"], "enable_endpoint"),
    "events remove": (endpoint, lambda _: [ORG, "E1"], "remove_endpoint"),
    "events retry": (endpoint, lambda _: [ORG, "E1"], "retry_events"),
    "events replay": (endpoint, lambda _: [ORG, "E1", "--since", "1h"], "replay_events"),
    "restore": (backup_of_removed, backup_words, "restore"),
    "tokens add": (nothing, lambda _: ["bao-cao", "--role", "viewer"], "add_token"),
    "tokens revoke": (token, lambda _: ["bao-cao"], "revoke_token"),
    "users add": (nothing, lambda _: ["an", "--email", "Hoa@example.com", "--role", "viewer"], "add_user"),
    "users remove": (users, lambda _: ["an"], "remove_user"),
    "users link": (users, lambda _: ["an"], "sign_in_link"),
}


def commands(group: Any, path: str = "") -> Iterator[str]:
    """Every command of the program by its words."""
    for name, command in group.commands.items():
        words = f"{path} {name}".strip()
        if hasattr(command, "commands"):
            yield from commands(command, words)
        else:
            yield words


async def entries(redis: RedisClient) -> list[AuditRow]:
    """The entries of the shop and of the service, each chain newest first."""
    return [*await audit_log.list_entries(redis, OrgId(ORG)), *await audit_log.list_entries(redis, SERVICE)]


@pytest.fixture
async def given(shop: CliEnvironment, redis: RedisClient, rules: Path) -> Given:
    customer = shop.haravan.create(first_name="Ánh", total_spent=1)
    assert (await shop.tagger("rules", "publish", ORG, str(rules), "--approve")).code == 0
    await store_customers(redis, ABOVE, TAGGED_BY_HAND)
    return Given(shop, redis, str(rules), str(customer))


def test_every_command_changes_something_or_only_reads() -> None:
    known = set(commands(typer.main.get_command(build_app())))

    assert CHANGES.keys() | READS == known
    assert not CHANGES.keys() & READS


@pytest.mark.parametrize("command", CHANGES)
async def test_a_change_leaves_one_entry_by_this_user(given: Given, command: str) -> None:
    prepare, words, action = CHANGES[command]
    await prepare(given)
    before = await entries(given.redis)

    result = await given.cli.tagger(*command.split(), *words(given), stdin=TOKEN)

    assert result.code == 0, result.err
    added = [row.entry for row in await entries(given.redis) if row not in before]
    assert [(entry.action, entry.by, entry.kind, entry.role) for entry in added] == [
        (action, getpass.getuser(), "shell", Role.OWNER)
    ]
    assert added[0].summary
    assert "Hoa" not in added[0].summary  # names, notes and reasons may be about a person
    assert TOKEN not in added[0].summary


DRY = {
    "migrate": [],
    "rules rollback": [ORG, "1"],
    "rules adopt": [ORG, "VIP"],
    "rules exclude": [ORG, "1", "vip"],
    "replay": [ORG, "--customers", "1"],
}


@pytest.mark.parametrize("command", DRY)
async def test_a_dry_run_leaves_none(given: Given, command: str) -> None:
    await second_version(given)
    before = await entries(given.redis)

    result = await given.cli.tagger(*command.split(), *DRY[command], "--dry-run")

    assert result.code == 0, result.err
    assert await entries(given.redis) == before


async def test_a_removed_shop_leaves_the_last_hash_of_its_log_with_the_service(given: Given) -> None:
    last = (await audit_log.verify(given.redis, OrgId(ORG))).last_hash

    await removed(given)

    newest = (await audit_log.list_entries(given.redis))[0].entry
    assert (newest.action, last in newest.summary, len(last)) == ("remove_shop", True, 64)


async def test_the_log_is_listed_for_a_shop_and_for_the_service(given: Given) -> None:
    await token(given)

    of_shop = await given.cli.tagger("audit", "list", "--shop", ORG)
    of_service = json.loads((await given.cli.tagger("audit", "list", "--json")).out)
    unknown = await given.cli.tagger("audit", "list", "--shop", "42")

    assert "Published rules" in of_shop.out
    assert f"{getpass.getuser()} (command line)" in of_shop.out
    assert [(entry["number"], entry["action"]) for entry in of_service] == [(2, "add_token"), (1, "add_shop")]
    assert unknown.code == 1


async def test_the_log_is_filtered(given: Given) -> None:
    await given.cli.tagger("shops", "pause", ORG)
    await given.cli.tagger("shops", "resume", ORG)

    async def numbers(*options: str) -> list[int]:
        shown = await given.cli.tagger("audit", "list", "--shop", ORG, "--json", *options)
        return [entry["number"] for entry in json.loads(shown.out)]

    assert await numbers("--action", "pause") == [2]
    assert await numbers("--by", getpass.getuser(), "--action", "resume") == [3]
    assert await numbers("--by", "nobody") == []
    assert await numbers("--since", "1h", "--before", "3") == [2, 1]
    assert await numbers("--until", "1h") == []
    none = await given.cli.tagger("audit", "list", "--shop", ORG, "--by", "nobody", "--lang", "en")
    assert "No entry matches." in none.out


async def test_a_whole_log_is_verified_with_its_last_hash(given: Given) -> None:
    shown = await given.cli.tagger("audit", "verify", "--json")
    rows = {row["chain"]: row for row in json.loads(shown.out)}
    noted = rows[ORG]["last_hash"]
    await given.cli.tagger("shops", "resume", ORG)

    later = await given.cli.tagger("audit", "verify", "--shop", ORG, "--expect", noted)
    wrong = await given.cli.tagger("audit", "verify", "--shop", ORG, "--expect", "0" * 64)
    everywhere = await given.cli.tagger("audit", "verify", "--expect", noted)

    assert (shown.code, later.code, wrong.code, everywhere.code) == (0, 0, 1, 1)
    assert f"✔ {ORG}: 2 entries, last hash " in later.out
    assert "✘" in wrong.out
    assert "--expect needs --shop" in everywhere.err


async def test_a_changed_log_is_found(given: Given) -> None:
    stream = keys.shop(OrgId(ORG), "audit")
    [(entry_id, fields)] = await given.redis.xrange(stream)
    await given.redis.delete(stream)
    client: Any = given.redis
    await client.xadd(stream, fields | {b"entry": fields[b"entry"].replace(b"approved", b"")}, id=entry_id)
    await client.xadd(stream, fields | {b"entry": fields[b"entry"].replace(b"publish", b"nothing")})

    found = await given.cli.tagger("audit", "verify")

    assert found.code == 1
    assert f"✘ {ORG}: entry" in found.out
    assert "✔ service: 1 entry" in found.out
