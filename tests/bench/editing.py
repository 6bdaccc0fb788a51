"""How long an acknowledgement takes at 200/s while ten people edit rules over 100,000 customers, in one process and in two.

Bars: p99 beside the people at most 1.5 times p99 alone, or at most 2 ms more; with webhooks and console in one process
10 ms is enough as well. With `SERVE=webhooks` and `SERVE=console` each is a process. A figure is the median of rounds that
take turns: alone, beside the people. A person types an amount as fast as people type, looks at the counts for some seconds,
and now and then opens the review of the whole draft. They are in a process of their own, as browsers are.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

import httpx2
import uvloop

from service.domain.access import Role
from service.domain.customers import OrgId
from service.domain.documents import validate_rules
from service.store.client import connect
from service.store.encryption import KeyRing
from service.store.rules import Versions
from service.store.shops import ShopRepository, save_first_look
from tests.bench.evaluation import customer
from tests.bench.load import ORG, WARM_UP, Run, closed_loop, open_loop, requests
from tests.bench.pages import PATH, Marketer, fifty_rules
from tests.bench.report import percentile, report
from tests.bench.servers import valkey, web
from tests.support.customers import store_customers
from tests.support.shop import KEY
from tests.support.visitors import visit_as

PER_S: Final = 200
P99_MS: Final = 10.0
RATIO, MARGIN_MS = 1.5, 2.0
KEYSTROKE_S: Final = (0.5, 1.2)  # htmx sends after a pause of 400 ms
LOOK_S: Final = (2.0, 6.0)
REVIEW_SHARE: Final = 0.15
# whose first value is a number; two people at one rule would get conflicts
RULES: Final = [f"{name}-{copy}" for name in ("vip", "often", "big-basket", "win-back") for copy in range(3)]
BASE: Final = re.compile(r'id="base" name="base" value="([^"]*)"')


@dataclass(slots=True)
class Person:
    """A marketer at a rule of their own. The times until the counts and the reviews appear are
    added to lists that all people share."""

    marketer: Marketer
    rule: str
    rng: random.Random
    waits_s: list[float]
    reviews_s: list[float]
    refused: list[float]

    async def ask(self, work: Callable[[], Awaitable[str]]) -> str:
        """The answer. While the evaluations are overloaded, it is asked for again, as a person would."""
        while True:
            try:
                return await work()
            except (httpx2.HTTPStatusError, AssertionError):
                self.refused.append(1.0)
                await asyncio.sleep(1)

    async def work(self) -> None:
        """Edit until cancelled."""
        path = f"{PATH}/{self.rule}/edit"
        await asyncio.sleep(self.rng.uniform(0, LOOK_S[1]))
        fields: dict[str, str] = {}

        async def load() -> str:
            fields.update(await self.marketer.form(path))
            return ""

        await self.ask(load)
        [amount, *_] = [name for name in fields if name.startswith("value.")]
        while True:
            for _ in range(self.rng.randrange(2, 6)):
                fields[amount] = str(self.rng.randrange(1, 99) * 100_000)
                started = time.perf_counter()
                answer = await self.ask(lambda: self.marketer.type(path, fields))
                self.waits_s.append(time.perf_counter() - started)
                [fields["base"]] = BASE.findall(answer)
                await asyncio.sleep(self.rng.uniform(*KEYSTROKE_S))
            await asyncio.sleep(self.rng.uniform(*LOOK_S))
            if self.rng.random() < REVIEW_SHARE:
                started = time.perf_counter()
                await self.ask(lambda: self.marketer.get(f"{PATH}/publish"))
                self.reviews_s.append(time.perf_counter() - started)
                await asyncio.sleep(self.rng.uniform(*LOOK_S))


async def edit(port: int, url: str, people: int) -> None:
    """Let people edit until this process is told to stop by the end of its standard input. Prints their waits as JSON."""
    redis, waits_s, reviews_s, refused = connect(url), list[float](), list[float](), list[float]()
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=120) as client:
        tasks = []
        for number in range(people):
            visitor = await visit_as(client, redis, Role.MARKETER, name=f"person-{number}")
            person = Person(
                Marketer(client, visitor, 0),
                RULES[number % len(RULES)],
                random.Random(number),
                waits_s,
                reviews_s,
                refused,
            )
            tasks.append(asyncio.create_task(person.work()))
        over = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
        done, _ = await asyncio.wait([over, *tasks], return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for task in done - {over}:
            task.result()  # raises why somebody could not go on
    await redis.aclose()
    print(json.dumps({"waits_s": waits_s, "reviews_s": reviews_s, "refused": refused}))


@contextmanager
def people_editing(port: int, url: str, people: int, result: dict[str, list[float]]) -> Iterator[None]:
    """People at work, in a process of their own. Their waits are added to `result`."""
    arguments = [sys.executable, "-m", "tests.bench.editing", "--edit", str(port), url, str(people)]
    process = subprocess.Popen(  # noqa: S603
        arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield
    finally:
        output, _ = process.communicate()
    for name, values in json.loads(output).items():
        result.setdefault(name, []).extend(values)


async def store_shop(url: str, customers: int) -> None:
    """Store the customers and fifty live rules."""
    redis = connect(url)
    shops, rng, org = ShopRepository(redis, KeyRing((KEY,))), random.Random(1), OrgId(ORG)
    await store_customers(redis, shops, org, [customer(each + 1, rng) for each in range(customers)])
    await save_first_look(redis, org, "complete")
    await Versions(redis).publish(org, validate_rules(fifty_rules()), author="bench", parent=0)
    await redis.aclose()


def measure(options: argparse.Namespace, *, is_one_process: bool) -> bool:
    """Rounds of this way to run the service."""
    name = "one process" if is_one_process else "a process each"
    count = PER_S * options.seconds
    ready = list(requests(WARM_UP + count))
    alone: list[float] = []
    beside: list[float] = []
    waits: dict[str, list[float]] = {}
    errors = 0

    def run_once(port: int) -> tuple[Run, float]:
        run = uvloop.run(open_loop(port, ready[WARM_UP:], per_s=PER_S))
        return run, percentile(run.durations_s, 0.99) * 1000

    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        url = stack.enter_context(valkey(Path(folder)))
        environ = {} if is_one_process else {"SERVE": "webhooks"}
        port, _ = stack.enter_context(web(url, variant="ours", environ=environ))
        console = port
        if not is_one_process:
            console, _ = stack.enter_context(web(url, variant="ours", environ={"SERVE": "console"}))
        uvloop.run(store_shop(url, options.customers))
        uvloop.run(closed_loop(port, ready[:WARM_UP]))
        for _ in range(options.rounds):
            run, p99 = run_once(port)
            alone.append(p99)
            errors += run.errors
            with people_editing(console, url, options.people, waits):
                time.sleep(options.warm_up)
                run, p99 = run_once(port)
            beside.append(p99)
            errors += run.errors
    print(
        f"{name}: p99 alone {[round(each, 1) for each in alone]}, beside {[round(each, 1) for each in beside]} ms"
    )
    if waits.get("waits_s"):
        report(f"{name}: counts appear after, p95", percentile(waits["waits_s"], 0.95) * 1000, "ms")
    report(f"{name}: reviews opened", len(waits.get("reviews_s", ())), "")
    report(f"{name}: requests asked again, because too much was running", len(waits.get("refused", ())), "")
    passes = report(f"{name}: answers other than 200", errors, "", at_most=0)
    bar = max(RATIO * median(alone), median(alone) + MARGIN_MS)
    if is_one_process:
        bar = max(bar, P99_MS)
    return passes & report(f"{name}: p99 beside {options.people} people", median(beside), "ms", at_most=bar)


def main() -> int:
    if sys.argv[1:2] == ["--edit"]:
        port, url, people = sys.argv[2:]
        uvloop.run(edit(int(port), url, int(people)))
        return 0
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--people", type=int, default=10)
    parser.add_argument("--seconds", type=int, default=25, help="of each run")
    parser.add_argument("--warm-up", type=int, default=12, help="seconds until the customers are in memory")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    return 0 if measure(options, is_one_process=True) & measure(options, is_one_process=False) else 1


if __name__ == "__main__":
    sys.exit(main())
