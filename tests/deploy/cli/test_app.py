"""The command line with a real Redis server and the sandbox as Haravan."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import structlog
from arq.connections import ArqRedis

from deploy.cli.app import run_command
from deploy.sandbox import Sandbox, ShopHandle, serve
from service.context import Context
from service.cpu_pool import InProcess
from service.runtime.tasks import cancel_and_wait
from service.store.client import keys
from service.store.jobs.worker_metrics import Counters
from service.store.rules import Versions
from service.store.shops.cipher import Cipher
from service.store.shops.repository import ShopRepository
from workers.periodic.pending_jobs import PendingJobs
from workers.periodic.scheduler import run_every

ORG = "1000000001"
TOKEN = "sandbox-token-one"
DEMO_RULES = str(Path(__file__).parents[3] / "deploy/rules/demo.yaml")


@dataclass(frozen=True, slots=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Place:
    """A sandbox shop, and the commands to use on it."""

    haravan: ShopHandle
    url: str
    tagger: Callable[..., Awaitable[Said]]


def typed(words: Sequence[str], stdin: str) -> Said:
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
    return Said(code, out.getvalue(), err.getvalue())


@pytest.fixture
async def place(redis_url: str, redis: ArqRedis, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    context = Context(redis, ShopRepository(redis, Cipher(["k" * 32])), Versions(redis))
    jobs = PendingJobs(context, InProcess(context))
    working = asyncio.create_task(run_every(0.05, jobs.run, "pending_job"))  # a worker's part
    sandbox = Sandbox()
    haravan = sandbox.add_shop(org=ORG, token=TOKEN)
    haravan.populate(20, seed=1)
    async with serve(sandbox) as url:
        for name, value in {
            "REDIS_URL": redis_url,
            "SECRET_KEY": "k" * 32,
            "HARAVAN_SUBSCRIBE_URL": f"{url}/api/subscribe",
            "COLUMNS": "160",
        }.items():
            monkeypatch.setenv(name, value)

        async def tagger(*words: str, stdin: str = "") -> Said:
            return await asyncio.to_thread(typed, words, stdin)

        yield Place(haravan, url, tagger)
    await cancel_and_wait(working)
    structlog.reset_defaults()  # the commands quieten it


@pytest.fixture
async def shop(place: Place) -> Place:
    """The sandbox's shop, added."""
    said = await place.tagger(
        "shops",
        "add",
        ORG,
        "--name",
        "Nhà Gốm",
        "--api-url",
        f"{place.url}/com",
        "--token-stdin",
        stdin=TOKEN,
    )
    assert said.code == 0, said.err
    return place


async def test_an_added_shop_is_listed_without_its_token(shop: Place) -> None:
    said = await shop.tagger("shops", "list", "--json")

    listed = json.loads(said.out)
    assert [(row["org"], row["name"], row["dialect"]) for row in listed] == [(ORG, "Nhà Gốm", "omni")]
    assert TOKEN not in said.out + said.err


async def test_a_token_of_another_shop_is_not_stored(place: Place, redis: ArqRedis) -> None:
    said = await place.tagger(
        "shops", "add", "42", "--api-url", f"{place.url}/com", "--token-stdin", stdin=TOKEN
    )

    assert (said.code, said.err.strip()) == (
        1,
        f"this token belongs to shop {ORG}, not 42; nothing was stored",
    )
    assert await redis.keys("tagger:shops") == []


async def test_a_wrong_token_is_rejected_by_haravan(place: Place) -> None:
    said = await place.tagger(
        "shops", "add", ORG, "--api-url", f"{place.url}/com", "--token-stdin", stdin="expired"
    )

    assert said.code == 4
    assert "expired" not in said.out + said.err


async def test_a_paused_shop_shows_its_reason_and_is_active_after_resume(shop: Place) -> None:
    await shop.tagger("shops", "pause", ORG, "--reason", "kiểm kê")
    paused = await shop.tagger("shops", "list")
    await shop.tagger("shops", "resume", ORG)
    working = await shop.tagger("shops", "list")

    assert "kiểm kê" in paused.out
    assert "active" in working.out


async def test_a_removed_shop_is_gone(shop: Place, redis: ArqRedis) -> None:
    said = await shop.tagger("shops", "remove", ORG, "--yes")

    assert said.code == 0
    assert await redis.keys(f"*{ORG}*") == []


async def test_rules_are_checked_published_and_shown(shop: Place) -> None:
    checked = await shop.tagger("rules", "check", DEMO_RULES)
    published = await shop.tagger("rules", "publish", ORG, DEMO_RULES, "--note", "ngày đầu")
    shown = await shop.tagger("rules", "show", ORG)

    assert (checked.code, published.code, shown.code) == (0, 0, 0)
    assert "Version 1 is live" in published.out
    assert "tag: Ngủ đông" in shown.out


async def test_bad_rules_are_named_with_line_and_column(place: Place) -> None:
    said = await place.tagger("rules", "check", "-", stdin="version: 1\nrules:\n  - {id: a, tag: 'x,y'}\n")

    assert said.code == 1
    assert "-: line 3, column " in said.err
    assert "comma" in said.err


async def test_a_subscription_is_added_listed_and_removed(shop: Place) -> None:
    shop.haravan.app(url="https://tagger.example.com/webhooks/haravan")

    before = await shop.tagger("subscription", "status", ORG)
    await shop.tagger("subscription", "add", ORG)
    subscribed = await shop.tagger("subscription", "status", ORG)
    await shop.tagger("subscription", "remove", ORG)

    assert (before.code, subscribed.code) == (1, 0)
    assert "customers/update" in subscribed.out
    assert not shop.haravan.subscriptions


async def test_customers_are_masked_unless_asked_for(shop: Place) -> None:
    person = shop.haravan.create(
        first_name="Ánh", last_name="Nguyễn", email="anh.nguyen@example.com", phone="0900000001"
    )

    masked = await shop.tagger("customers", "get", ORG, str(person))
    listed = await shop.tagger("customers", "list", ORG, "--json")
    shown = await shop.tagger("customers", "get", ORG, str(person), "--show-personal")

    assert "Ánh" in masked.out
    assert "a•••@example.com" in masked.out
    assert not any(each in masked.out + listed.out for each in ("anh.nguyen@", "0900000001"))
    assert "anh.nguyen@example.com" in shown.out


async def test_json_has_every_digit_that_haravan_sent(shop: Place) -> None:
    person = shop.haravan.create(first_name="Ánh", total_spent=261380000)

    said = await shop.tagger("customers", "get", ORG, str(person), "--json")

    assert '"total_spent": 261380000.0000' in said.out


async def test_a_customer_is_made_changed_tagged_and_deleted(shop: Place) -> None:
    made = await shop.tagger(
        "customers",
        "create",
        ORG,
        "--file",
        "-",
        "--json",
        stdin='{"first_name": "Ánh", "email": "a@example.com"}',
    )
    person = json.loads(made.out)["id"]

    await shop.tagger("customers", "update", ORG, str(person), "--set", "note=Khách quen")
    tagged = await shop.tagger("customers", "tag", ORG, str(person), "Sỉ", "Bạn")
    untagged = await shop.tagger("customers", "untag", ORG, str(person), "Sỉ", "--json")
    note = shop.haravan.customer(person)["note"]
    deleted = await shop.tagger("customers", "delete", ORG, str(person), "--yes")
    gone = await shop.tagger("customers", "get", ORG, str(person))

    assert note == "Khách quen"
    assert "Sỉ, Bạn" in tagged.out
    assert json.loads(untagged.out)["tags"] == ["Bạn"]
    assert (deleted.code, gone.code) == (0, 4)


async def test_personal_data_in_arguments_is_refused(shop: Place) -> None:
    said = await shop.tagger("customers", "create", ORG, "--set", "email=a@example.com")

    assert said.code == 1
    assert "must not be an argument" in said.err
    assert "a@example.com" not in said.err


async def test_customers_are_counted_listed_and_found(shop: Place) -> None:
    shop.haravan.create(first_name="Diễm Hương", last_name="Tôn")

    counted = await shop.tagger("customers", "count", ORG)
    listed = await shop.tagger("customers", "list", ORG, "--limit", "5", "--json")
    found = await shop.tagger("customers", "search", ORG, "-", "--json", stdin="Diễm Hương\n")
    groups = await shop.tagger("customers", "groups", ORG)

    assert counted.out.strip() == "21"
    assert len(json.loads(listed.out)) == 5
    assert [each["first_name"] for each in json.loads(found.out)] == ["Diễm Hương"]
    assert groups.code == 0


async def test_calls_go_through_the_shops_bucket(shop: Place, redis: ArqRedis) -> None:
    await shop.tagger("customers", "count", ORG)

    assert int(await redis.hget(keys.shop(ORG, "rate_limit"), "dispatched") or 0) >= 1


async def test_a_replay_counts_before_it_queues(shop: Place, redis: ArqRedis) -> None:
    first, second, *_ = shop.haravan.ids()
    chosen = f"{first},{second},{first}"

    counted = await shop.tagger("replay", ORG, "--customers", chosen, "--dry-run", "--json")
    marked_before = await redis.keys(keys.shop(ORG, "mark:*"))
    started = await shop.tagger("replay", ORG, "--customers", chosen, "--reason", "thử", "--json")

    assert json.loads(counted.out) == {"customers": 2, "dry_run": True}
    assert marked_before == []
    assert json.loads(started.out)["total"] == 2
    assert len(await redis.keys(keys.shop(ORG, "mark:*"))) == 2


async def test_a_replay_without_a_selection_is_refused(shop: Place) -> None:
    said = await shop.tagger("replay", ORG)

    assert said.code == 1
    assert "say what to replay" in said.err


async def test_without_deliveries_or_dead_letters_the_lists_say_so(shop: Place) -> None:
    deliveries = await shop.tagger("deliveries", ORG)
    letters = await shop.tagger("dead-letters", "list", ORG)

    assert (deliveries.code, deliveries.out.strip()) == (0, "No deliveries in this time.")
    assert (letters.code, letters.out.strip()) == (0, "No open dead letters.")


async def test_a_backfill_scans_all_customers_and_queues_those_with_wrong_tags(
    shop: Place, redis: ArqRedis
) -> None:
    rich = shop.haravan.create(first_name="Ánh", total_spent=20_000_000)
    await shop.tagger("rules", "publish", ORG, DEMO_RULES)

    said = await shop.tagger("backfill", ORG, "--json")

    assert said.code == 0, said.err
    assert await redis.exists(keys.shop(ORG, f"mark:{rich}"))
    marked = len(await redis.keys(keys.shop(ORG, "mark:*")))
    assert json.loads(said.out)["remaining"] == marked
    assert marked + await redis.hlen(keys.shop(ORG, "snapshots")) == 21
    assert shop.haravan.calls.count("GET customers") == 2  # one page, and the empty one that ends the walk


async def test_a_reconcile_scans_only_changed_customers(shop: Place, redis: ArqRedis) -> None:
    rich = shop.haravan.create(first_name="Ánh", total_spent=20_000_000)
    await shop.tagger("rules", "publish", ORG, DEMO_RULES)

    said = await shop.tagger("reconcile", ORG, "--since", "1h")

    assert said.code == 0, said.err
    assert await redis.keys(keys.shop(ORG, "mark:*")) == [keys.shop(ORG, f"mark:{rich}").encode()]


async def test_a_scan_without_rules_is_refused(shop: Place) -> None:
    said = await shop.tagger("backfill", ORG)

    assert said.code == 1
    assert "no rules yet" in said.err


async def test_publishing_looks_at_everybody_known_again(shop: Place, redis: ArqRedis) -> None:
    await redis.hset(keys.shop(ORG, "snapshots"), "7", "x")

    said = await shop.tagger("rules", "publish", ORG, DEMO_RULES)

    assert "1 customer to go" in said.out
    assert await redis.exists(keys.shop(ORG, "mark:7"))


async def test_the_doctor_reports_problems_and_how_to_fix_them(shop: Place) -> None:
    said = await shop.tagger("doctor", "--json")

    problems = {row["text"] for row in json.loads(said.out) if row["level"] == "problem"}
    assert said.code == 1
    for part in (
        "no worker has run yet",
        "no subscription",
        "no rules yet",
        "DURABILITY=fsync promises",
    ):
        assert any(part in problem for problem in problems), part


async def test_the_doctor_finds_no_problem_with_a_complete_shop(
    shop: Place, redis: ArqRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DURABILITY", "everysec")  # the tests' store keeps nothing
    monkeypatch.setenv("HARAVAN_WEBHOOK_SECRETS", "secret-1")
    shop.haravan.app(url="https://tagger.example.com/webhooks/haravan")
    await shop.tagger("subscription", "add", ORG)
    await shop.tagger("rules", "publish", ORG, DEMO_RULES)
    await Counters(redis).flush()

    said = await shop.tagger("doctor", ORG)

    assert "✘" not in said.out
    assert said.code == 0
    assert "20 customers" in said.out


async def test_the_doctor_reports_a_revoked_token(shop: Place) -> None:
    shop.haravan.replace_token("another-token-now")

    said = await shop.tagger("doctor", ORG)

    assert said.code == 1
    assert "401" in said.out


FAILURES: list[tuple[str, tuple[str, ...], dict[str, str], int, str]] = [
    ("a shop that is not there", ("rules", "show", "7"), {}, 1, "there is no shop 7"),
    ("an org with letters", ("shops", "pause", "abc"), {}, 1, "only digits"),
    ("an id with letters", ("customers", "get", ORG, "x"), {}, 1, "not a customer id"),
    ("a moment that is none", ("deliveries", ORG, "--since", "gestern"), {}, 1, "there is no shop"),
    ("an unknown command", ("tags",), {}, 2, "No such command"),
    ("a setting that is wrong", ("shops", "list"), {"PORT": "x"}, 2, "PORT: a whole number"),
    ("a store that is away", ("shops", "list"), {"REDIS_URL": "redis://127.0.0.1:1/0"}, 3, "does not answer"),
    ("a file that is not there", ("rules", "check", "no.yaml"), {}, 1, "No such file or directory: no.yaml"),
    ("no settings file", ("--env-file", "no.env", "shops", "list"), {}, 2, "there is no settings file"),
]


@pytest.mark.parametrize(
    ("words", "environ", "code", "message"), [row[1:] for row in FAILURES], ids=[row[0] for row in FAILURES]
)
async def test_a_failure_is_one_message_and_a_code(
    place: Place,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    environ: dict[str, str],
    code: int,
    message: str,
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)

    said = await place.tagger(*words)

    assert said.code == code
    assert message in said.err
    assert "Traceback" not in said.err


async def test_the_program_itself_starts_and_names_every_group() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "deploy.cli", "--help"),
        stdout=asyncio.subprocess.PIPE,
        env={"PYTHONPATH": str(Path(__file__).parents[3]), "COLUMNS": "160"},
    )
    out, _ = await process.communicate()

    assert process.returncode == 0
    for group in (
        "up",
        "shops",
        "rules",
        "subscription",
        "customers",
        "deliveries",
        "dead-letters",
        "replay",
    ):
        assert f" {group} " in out.decode()
