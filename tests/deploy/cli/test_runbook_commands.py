"""Every command that the runbook names is executed as it is written, in the situation for which it is named."""

from __future__ import annotations

import re
import shlex
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
import pytest

from deploy.local.valkey import server_executable
from service.domain.customers import OrgId
from service.store.client import RedisClient, connect, keys
from service.store.encryption import KeyRing
from service.store.history import audit_log
from service.store.move import marks
from service.store.move.fence import lower_fence, raise_fence
from service.store.shops import save_first_look
from tests.deploy.cli.environment import (
    ABOVE,
    ORG,
    TIERS,
    TOKEN,
    CliEnvironment,
    CommandResult,
    store_customers,
    write_rules,
)
from tests.support.processes import ROOT
from tests.support.tools import run
from tests.support.valkey import ValkeyServer

RUNBOOK: Final = (ROOT / "deploy/RUNBOOK.md").read_text(encoding="utf-8")
OPS_API: Final = (ROOT / "deploy/docs/reference/ops-api.md").read_text(encoding="utf-8")
COMMAND: Final = re.compile(r"`tagger (.+?)`", re.DOTALL)  # a command may be broken between two lines
PATHS: Final = re.compile(r"`(?:(GET|POST|DELETE) )?(/ops/v1/[^`]*)`")
OF_THE_STORE: Final = re.compile(
    r"`(?:redis-cli )?((?:CONFIG SET|INFO|LATENCY|MEMORY USAGE|--memkeys)[^`]*)`"
)
# Started by other tests: tests/deploy/docs/test_tutorial.py, tests/nights
RUN_FOREVER: Final = {"up", "worker"}
ASK_FOR_A_SECRET: Final = {"shops add", "shops token", "shops secret"}
ASK_FOR_A_CONFIRMATION: Final = {"shops remove", "customers erase", "rules adopt", "store move"}
ASK_FOR_A_KEY: Final = {"backup", "restore"}
# Exit with 1: no worker runs here, and the server's settings are not kept in a file
FIND_SOMETHING: Final = {"doctor", "store status"}
SECRET_KEY: Final = "0123456789abcdef" * 2  # of the fixture `environment`
TAG: Final = "VIP"
TODAY: Final = datetime.now(ZoneInfo("Asia/Ho_Chi_Minh")).date().isoformat()  # for the sandbox's shop
NEXT_YEAR: Final = int(TODAY[:4]) + 1
SCHEDULE: Final = ("rules", "schedule", ORG, "LOWER", "--at", f"{NEXT_YEAR}-02-01 00:00")
ADD_ENDPOINT: Final = ("events", "add", ORG, "https://example.com/hook")
USERS: Final = [
    ("users", "add", name, "--email", f"{name}@example.com", "--role", "owner") for name in ("bao-cao", "lan")
]
REPLAY: Final = ("replay", ORG, "--everybody", "--per-minute", "1")
# The commands that bring about the situation of a command, or of all commands with these two first words.
SITUATIONS: Final[dict[str, Sequence[tuple[str, ...]]]] = {
    "restore FILE": [("backup", "BACKUP", "--key-file", "KEY")],
    "events enable": [ADD_ENDPOINT, ("events", "disable", ORG, "E1")],
    "rules rollback ORG N": [("rules", "publish", ORG, "LOWER")],
    "rules retract": [("rules", "publish", ORG, "TIERS", "--approve")],
    "rules publish-scheduled": [SCHEDULE],
    "rules unschedule": [SCHEDULE],
    "rules scheduled": [SCHEDULE],
    "runs cancel": [REPLAY],
    "runs pause": [REPLAY],
    "shops add": [("shops", "remove", ORG, "--yes")],
    "shops live": [("shops", "shadow", ORG)],
    "shops resume": [("shops", "pause", ORG, "--reason", "Tết")],
    "shops resume ORG --removals": [],
    "shops unfreeze": [("shops", "freeze", ORG, "--from", TODAY, "--to", TODAY)],
    "subscription status": [("subscription", "add", ORG)],
    "tokens revoke": [("tokens", "add", "bao-cao", "--role", "viewer")],
    "users link": USERS,
    "users remove": USERS,
}


def documented() -> list[str]:
    return sorted({" ".join(words.split()) for words in COMMAND.findall(RUNBOOK)})


@dataclass(frozen=True, slots=True)
class Stage:
    """A shop with rules, a customer, a token and two users."""

    shop: CliEnvironment
    redis: RedisClient
    folder: Path
    rules: Path

    async def done(self, *words: str, stdin: str = "") -> CommandResult:
        """Run a command that succeeds."""
        result = await self.shop.tagger(*words, stdin=stdin)
        assert result.code == 0, (words, result.out, result.err)
        return result

    async def set_up(self, command: str) -> dict[str, str]:
        """Bring about the situation of the command. Returns what its placeholders stand for, as far as they differ."""
        name = " ".join(command.split()[:2])
        for words in SITUATIONS.get(command, SITUATIONS.get(name, ())):
            await self.done(*(self._place(word) for word in words))
        match command.split():
            case ["backup", *_]:
                return {"FILE": str(self.folder / "new.backup")}
            case ["restore", *_]:
                return {"FILE": str(self.folder / "made.backup")}
            case ["runs", _, _, "RUN"]:
                run_id = re.search(r"\bR\d+\b", (await self.done("runs", "list", ORG)).out)
                return {"RUN": run_id[0] if run_id else ""}
            case ["shops", "approve", *_]:
                await save_first_look(self.redis, OrgId(ORG), "waiting")
            case ["shops", "resume", _, "--removals"]:
                client: Any = self.redis
                state = keys.shop(ORG, "state")
                await client.hset(state, mapping={"removals_paused": "removal_guard"})
        return {}

    def _place(self, word: str) -> str:
        """A word of a situation, with a file of this stage for a name in capitals."""
        files = {
            "LOWER": lambda: write_rules(self.folder, 9_000_000),
            "TIERS": lambda: write(self.folder / "tiers.yaml", TIERS),
            "BACKUP": lambda: self.folder / "made.backup",
            "KEY": lambda: self.key,
        }
        return str(files[word]()) if word in files else word

    @property
    def key(self) -> Path:
        """The key of backups."""
        return self.folder / "backup.key"


@pytest.fixture
async def stage(shop: CliEnvironment, redis: RedisClient, rules: Path, tmp_path: Path) -> Stage:
    stage = Stage(shop, redis, tmp_path, rules)
    stage.key.write_text("a1" * 32, encoding="utf-8")
    await stage.done("rules", "publish", ORG, str(rules), "--approve")
    await store_customers(redis, msgspec.structs.replace(ABOVE, id=shop.haravan.ids()[0]))
    shop.haravan.app(url="https://tagger.example.com/webhooks/haravan")
    return stage


@pytest.fixture
async def new_store(
    redis: RedisClient, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Callable[[], Awaitable[str]]]:
    """Starts a new store, and interrupts a move to it in its last moment. Returns its address."""
    servers: list[ValkeyServer] = []

    async def start() -> str:
        for name in ("new", "queue"):
            folder = tmp_path / name
            folder.mkdir()
            servers.append(ValkeyServer(folder, fsync="always", aof_load_truncated="no"))
            servers[-1].start()
        new, queue = (server.url for server in servers)
        monkeypatch.setenv("NEW_REDIS_URL", new)
        monkeypatch.setenv("QUEUE_URL", queue)
        async with connect(redis_url, timeout_s=60) as source, connect(new, timeout_s=60) as target:
            await marks.begin_arrival(target, token="killed", store_id=await marks.load_store_id(source))
            await marks.announce_departure(source, KeyRing((SECRET_KEY,)), marks.Departure(new, "killed"))
            await raise_fence(source)
        return new

    yield start
    if servers:
        await lower_fence(redis)
    for server in servers:
        server.kill()


@pytest.mark.parametrize("command", documented())
async def test_a_command_of_the_runbook_runs(
    stage: Stage,
    new_store: Callable[[], Awaitable[str]],
    monkeypatch: pytest.MonkeyPatch,
    command: str,
) -> None:
    customer = str(stage.shop.haravan.ids()[0])
    values = {
        "ORG": ORG,
        "ID": customer,
        "CUSTOMER": customer,
        "ENDPOINT": "E1",
        "FILE": str(stage.rules),
        "N": "1",
        "TAG": TAG,
        "NAME": "bao-cao",
        "ROLE": "viewer",
        "FIELD": "province",
        "CAUSE": "rejected",
        "HASH": (await audit_log.verify(stage.redis, OrgId(ORG))).last_hash,
        "…": "Tết",
        **await stage.set_up(command),
    }
    written = shlex.split(in_the_future(command))
    words = [values.get(word, word) for word in written]
    name, stdin = " ".join(written[:2]), ""
    if words[-1] == "--since":  # the text goes on: "the last delivery"
        words.append("2h")
    if written[0] in RUN_FOREVER:
        words.append("--help")
    elif written[0] in ASK_FOR_A_KEY:
        words += ["--key-file", str(stage.key)]
    elif name in ASK_FOR_A_SECRET:
        words += ["--token-stdin", *(("--api-url", f"{stage.shop.url}/com") if name == "shops add" else ())]
        stdin = TOKEN
    elif name in ASK_FOR_A_CONFIRMATION:
        words.append("--yes")
    elif name == "rules retract":  # the only customer of this shop is more than the guard allows
        words += ["--approve", "--yes"]
    elif name == "shops pause" and "--reason" not in words:
        words += ["--reason", "Tết"]

    if name == "store move":
        monkeypatch.setenv("DURABILITY", "fsync")  # the new store has no replica
        url = await new_store()
        words = [url if word == "URL" else word for word in words]

    result = await stage.shop.tagger(*words, stdin=stdin)

    assert result.code == (1 if {written[0], name} & FIND_SOMETHING else 0), (words, result.out, result.err)
    assert "Traceback" not in result.err


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def in_the_future(command: str) -> str:
    """The command with the days of its example in the next year."""
    return re.sub(r"\b\d{4}(-\d\d-\d\d)", rf"{NEXT_YEAR}\1", command)


def test_every_path_of_the_ops_api_in_the_runbook_exists() -> None:
    known = re.findall(r"^\| `(\w+) (/ops/v1/[^`]+)`", OPS_API, re.MULTILINE)
    calls = {(method, re.sub(r"{\w+}", "*", path)) for method, path in known}
    found = PATHS.findall(RUNBOOK)

    assert len(found) > 5
    for method, path in found:
        pattern = re.sub(r"\b(ORG|ID|RUN)\b", "*", path.partition("?")[0]).replace("…", "shops/*")
        assert pattern in {each for _, each in calls}, path
        assert not method or (method, pattern) in calls, (method, path)


@pytest.mark.one_server  # valkey-cli asks one server
async def test_every_command_for_the_store_is_one_of_valkey(redis: RedisClient, redis_url: str) -> None:
    client = Path(server_executable()).with_name("valkey-cli")
    before = (await redis.config_get("maxmemory"))["maxmemory"]
    commands = {" ".join(found.split()) for found in OF_THE_STORE.findall(RUNBOOK)}

    assert len(commands) >= 5
    for command in commands:
        words = shlex.split(command.replace("tagger:{p…}:ORG:deliveries", keys.shop(ORG, "deliveries")))
        result = run([client, "-s", redis_url.removeprefix("unix://"), *words])
        assert result.returncode == 0, (command, result.stderr)
        assert not result.stdout.startswith("ERR"), (command, result.stdout)  # INFO counts errors by name
    await redis.config_set("maxmemory", before)


def test_the_commands_are_found() -> None:
    assert {"keys rotate --delete-unreadable", "reconcile ORG --since", "shops resume ORG --removals"} <= set(
        documented()
    )
