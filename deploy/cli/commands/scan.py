"""`tagger backfill|reconcile`: scan a shop's customers at Haravan, 50 for each API call, after live webhooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from deploy.cli.context import AsJson, Org, ShopApi, open_shop_api, run, server_time_ms
from deploy.cli.inputs import current_actor, parse_time_ms
from deploy.cli.output import print_json
from deploy.cli.runs import format_run, progress, row, wait_for_run
from deploy.local import console

if TYPE_CHECKING:
    from service.store.jobs import Run
    from workers.scan import ScanProgress

Wait = Annotated[bool, typer.Option("--wait", help="Wait until the tags are written.")]


def backfill(org: Org, wait: Wait = False, as_json: AsJson = False) -> None:
    """Scan all customers of the shop and queue those with wrong tags: for a new shop, or after a loss of data."""

    async def work() -> Run:
        async with open_shop_api(org) as api:
            return await _scan(api, "backfill", since_ms=None, wait=wait)

    _print_result(run(work()), as_json=as_json)


def reconcile(
    org: Org,
    since: Annotated[str, typer.Option(help="Changed in the last 2h, 3d, or since a date and time.")] = "24h",
    wait: Wait = False,
    as_json: AsJson = False,
) -> None:
    """Scan the customers that changed since a time: after an outage, when webhooks may have been missed."""

    async def work() -> Run:
        async with open_shop_api(org) as api:
            since_ms = parse_time_ms(since, now_ms=await server_time_ms(api.cli))
            return await _scan(api, "reconcile", since_ms=since_ms, wait=wait)

    _print_result(run(work()), as_json=as_json)


async def _scan(
    api: ShopApi, kind: Literal["backfill", "reconcile"], *, since_ms: int | None, wait: bool
) -> Run:
    from service.errors import Refused
    from service.store.history import audit_log
    from service.store.queue import RateLimiter
    from service.store.rules import CompiledRulesCache
    from workers.haravan import WaitingPermits
    from workers.scan import build_scan

    org, cli = api.shop.org, api.cli
    with progress() as bar:
        task = bar.add_task(kind, total=None)

        def on_page(page: ScanProgress) -> None:
            bar.update(task, completed=page.scanned, total=max(page.expected, page.scanned))

        scan = await build_scan(
            cli.context,
            api.shop,
            api.client,
            permits=WaitingPermits(RateLimiter(cli.redis), org, lane="bulk", reserve=api.shop.reserve),
            rules_cache=CompiledRulesCache(cli.versions),
            on_page=on_page,
        )
        if scan is None:
            raise Refused(f"shop {org} has no rules yet; publish rules: tagger rules publish {org} FILE")
        actor = current_actor()
        summary = "all customers" if since_ms is None else f"customers changed since {since_ms}"
        async with audit_log.recorded(cli.redis, actor, kind, org=org, summary=summary):
            started = await scan(kind, by=actor.name, since_ms=since_ms)
    return await wait_for_run(cli.redis, org, started) if wait and not api.shop.paused else started


def _print_result(ended: Run, *, as_json: bool) -> None:
    if as_json:
        print_json(row(ended))
    else:
        console().print(format_run(ended))
    raise typer.Exit(1 if ended.failed else 0)
