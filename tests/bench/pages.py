"""How long the pages of rules take with 100,000 customers and 50 rules, and which keystroke of many wins.

Bars: every page at most 150 ms at p95, the live counts of an edited rule or tier at most 300 ms. The customers are in the
memory of both processes of the CPU pool, as after the first seconds of a visit; how long that takes is printed without a
bar. One marketer asks for one page after the other. The processor time of the web process and its pool is printed as well: on
a busy machine it says what the page costs, and the time at the clock does not.
"""

from __future__ import annotations

import argparse
import asyncio
import html
import random
import re
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx2
import uvloop

from service.domain.access import Role
from service.domain.customers import OrgId
from service.domain.documents import parse_rules, validate_rules
from service.store import working_copies
from service.store.client import connect
from service.store.encryption import KeyRing
from service.store.rules import Versions
from service.store.shops import ShopRepository, save_first_look
from tests.bench.evaluation import RULES, customer
from tests.bench.ingest import cpu_s
from tests.bench.load import ORG
from tests.bench.report import percentile, report
from tests.bench.servers import valkey, web
from tests.support.customers import store_customers
from tests.support.shop import KEY
from tests.support.visitors import SAME_ORIGIN, Visitor, visit_as

PAGE_MS, LIVE_MS = 150.0, 300.0
SHARE = 0.95
TIMES = 60
WARM_UPS = 12  # both processes of the pool load the customers
KEYSTROKES: Final = [str(amount) for amount in range(1_000_000, 1_000_020)]
TIER: Final[dict[str, Any]] = {
    "id": "hang",
    "name": "Hạng",
    "levels": [
        {"tag": tag, "when": {"field": "total_spent", "op": "at_least", "value": amount}}
        for tag, amount in (("Gold", 9_000_000), ("Silver", 4_000_000), ("Bronze", 1_000_000))
    ],
}
PATH: Final = f"/shops/{ORG}/rules"
GETS: Final = {
    "the list": PATH,
    "a search in the list": f"{PATH}?q=ngu+dong",
    "the gallery": f"{PATH}/new",
    "import": f"{PATH}/import",
    "export": f"{PATH}/export",
    "the editor of a rule": f"{PATH}/win-back-0/edit",
    "the editor of a tier": f"{PATH}/hang/edit",
    "the YAML of a rule": f"{PATH}/win-back-0/yaml",
    "the history of a rule": f"{PATH}/vip-0/history",
    "switch off or delete": f"{PATH}/vip-0/remove",
    "the history": f"/shops/{ORG}/history",
}
FORM = re.compile(r'<form[^>]* id="rule".*?</form>', re.DOTALL)
ATTRIBUTE = re.compile(r'([\w-]+)="([^"]*)"')


@dataclass(slots=True)
class Marketer:
    """A visitor of the web process on its port."""

    client: httpx2.AsyncClient
    visitor: Visitor
    pid: int

    def cpu_ms(self) -> float:
        """Processor time of the web process and the processes of its pool."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text(encoding="ascii").split()
        return 1000 * sum(cpu_s(pid) for pid in (self.pid, *map(int, children)))

    async def get(self, path: str) -> str:
        """The page. It must exist."""
        answer = await self.client.get(path, headers=self.visitor.headers())
        answer.raise_for_status()
        return answer.text

    async def type(self, path: str, fields: dict[str, str]) -> str:
        """What htmx posts while somebody types."""
        data = {**fields, "form_token": self.visitor.secret.form_token, "part": "panel"}
        headers = self.visitor.headers() | SAME_ORIGIN | {"HX-Request": "true"}
        answer = await self.client.post(path, data=data, headers=headers)
        assert answer.is_success, answer.text[:2_000]
        return answer.text

    async def form(self, path: str) -> dict[str, str]:
        """The fields of the editor's form with their values."""
        [form] = FORM.findall(await self.get(path))
        fields: dict[str, str] = {}
        for attributes in re.findall(r"<input\b([^>]*)>", form):
            known = dict(ATTRIBUTE.findall(attributes))
            if known.get("type") not in ("radio", "checkbox") or " checked" in attributes:
                fields[known["name"]] = html.unescape(known.get("value", ""))
        for name, options in re.findall(r'<select[^>]* name="([^"]+)".*?>(.*?)</select>', form, re.DOTALL):
            fields[name] = re.findall(r'value="([^"]*)" selected', options)[0]
        return fields


def fifty_rules() -> dict[str, Any]:
    """The twenty rules of the other benchmarks again and again, and a tier."""
    twenty = parse_rules(RULES.read_text(encoding="utf-8")).model_dump(mode="python", exclude_none=True)
    rules = [
        rule | {"id": f"{rule['id']}-{copy}", "tag": f"{rule['tag']} {copy}"}
        for copy in range(3)
        for rule in twenty["rules"]
    ]
    return {"rules": rules[:49], "tiers": [TIER]}


async def measure(url: str, port: int, pid: int, customers: int) -> bool:
    """Store everything, ask for every page, and type."""
    redis = connect(url)
    shops, rng = ShopRepository(redis, KeyRing((KEY,))), random.Random(1)
    org = OrgId(ORG)
    await store_customers(redis, shops, org, [customer(each + 1, rng) for each in range(customers)])
    await save_first_look(redis, org, "complete")
    await Versions(redis).publish(org, validate_rules(fifty_rules()), author="bench", parent=0)
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=120) as client:
        marketer = Marketer(client, await visit_as(client, redis, Role.MARKETER), pid)
        passes = await _pages(marketer)
        passes &= await _live_counts(marketer)
        passes &= await _newest_keystroke(marketer)
    stored = await working_copies.load(redis, org)
    rule = next(each for each in stored.document["rules"] if each["id"] == "vip-0") if stored else {}
    wins = rule.get("when", {}).get("value") == int(KEYSTROKES[-1])
    await redis.aclose()
    return report("the newest of 20 keystrokes is stored", wins, "", at_least=1) and passes


async def _pages(marketer: Marketer) -> bool:
    started = time.perf_counter()
    await marketer.get(f"{PATH}/counts")
    report("the list with all counts, cold", (time.perf_counter() - started) * 1000, "ms")
    for _ in range(WARM_UPS):
        await asyncio.gather(*(marketer.get(path) for path in (f"{PATH}/counts", f"{PATH}/vip-0/edit")))
    passes = await _timed(
        marketer, "the list with all counts, again", lambda _: marketer.get(f"{PATH}/counts"), LIVE_MS
    )
    for name, path in GETS.items():
        passes &= await _timed(marketer, name, lambda _, path=path: marketer.get(path), PAGE_MS)
    return passes


async def _live_counts(marketer: Marketer) -> bool:
    """An amount of a condition is typed again and again, of a rule with three conditions, and a threshold of a tier."""
    rule, tier = f"{PATH}/win-back-0/edit", f"{PATH}/hang/edit"
    fields, levels = await marketer.form(rule), await marketer.form(tier)

    async def type_amount(turn: int) -> None:
        answer = await marketer.type(rule, fields | {"value.n-0": str(2_000_000 + turn)})
        assert 'id="panel"' in answer

    async def type_threshold(turn: int) -> None:
        answer = await marketer.type(tier, levels | {"threshold.1": str(3_000_000 + turn)})
        assert 'id="panel"' in answer

    passes = await _timed(marketer, "live counts of a rule with five conditions", type_amount, LIVE_MS)
    return passes & await _timed(marketer, "live counts of a tier", type_threshold, LIVE_MS)


async def _newest_keystroke(marketer: Marketer) -> bool:
    """The requests of a form wait for each other, as htmx sends them. The last one is what stays."""
    fields = await marketer.form(f"{PATH}/vip-0/edit")
    answer = ""
    for text in KEYSTROKES:
        answer = await marketer.type(f"{PATH}/vip-0/edit", fields | {"value.n-0": text})
    return report("the panel shows the newest keystroke", "1.000.019" in answer, "", at_least=1)


async def _timed(
    marketer: Marketer, name: str, work: Callable[[int], Awaitable[object]], bar_ms: float
) -> bool:
    durations: list[float] = []
    before_ms = marketer.cpu_ms()
    for turn in range(TIMES):
        started = time.perf_counter()
        await work(turn)
        durations.append((time.perf_counter() - started) * 1000)
    cpu_ms, median = (marketer.cpu_ms() - before_ms) / TIMES, percentile(durations, 0.5)
    figure = percentile(durations, SHARE)
    return report(f"{name}: p50 {median:.0f} ms, CPU {cpu_ms:.0f} ms, p95", figure, "ms", at_most=bar_ms)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=100_000)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        valkey(Path(folder)) as url,
        web(url, variant="ours", environ={"SECRET_KEY": KEY}) as (port, process),
    ):
        return 0 if uvloop.run(measure(url, port, process.pid, options.customers)) else 1


if __name__ == "__main__":
    sys.exit(main())
