"""`tagger backfill|reconcile`: look through a shop's customers at Haravan, fifty a call, behind live webhooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from deploy.cli.access import AsJson, Org, now_ms, run
from deploy.cli.api import Api, api_of
from deploy.cli.moments import moment_ms
from deploy.cli.output import console, print_json
from deploy.cli.person import me
from deploy.cli.runs import followed, progress, row, told

if TYPE_CHECKING:
    from service.store.runs import Run
    from workers.scan import ScanProgress

Wait = Annotated[bool, typer.Option("--wait", help="Stay until their tags are written, too.")]


def backfill(org: Org, wait: Wait = False, as_json: AsJson = False) -> None:
    """Look at every customer of the shop: its first day, or after a loss. Marks those whose tags are not right."""

    async def work() -> Run:
        async with api_of(org) as api:
            return await _walked(api, "backfill", since_ms=None, wait=wait)

    _end(run(work()), as_json=as_json)


def reconcile(
    org: Org,
    since: Annotated[str, typer.Option(help="Changed since: 2h, 3d ago, or a date and time.")] = "24h",
    wait: Wait = False,
    as_json: AsJson = False,
) -> None:
    """Look at the customers that changed since a moment: after an outage, when webhooks may have been missed."""

    async def work() -> Run:
        async with api_of(org) as api:
            since_ms = moment_ms(since, now_ms=await now_ms(api.access))
            return await _walked(api, "reconcile", since_ms=since_ms, wait=wait)

    _end(run(work()), as_json=as_json)


async def _walked(
    api: Api, kind: Literal["backfill", "reconcile"], *, since_ms: int | None, wait: bool
) -> Run:
    from service.errors import Refused
    from service.store.bucket import Bucket
    from workers.haravan.rate_limit import WaitingPermits
    from workers.rulebook import Rulebook
    from workers.scan import build_scan

    org, access = api.shop.org, api.access
    with progress() as bar:
        task = bar.add_task(kind, total=None)

        def on_page(at: ScanProgress) -> None:
            bar.update(task, completed=at.scanned, total=max(at.expected, at.scanned))

        scan = await build_scan(
            access.context,
            api.shop,
            api.client,
            permits=WaitingPermits(Bucket(access.redis), org, lane="bulk", reserve=api.shop.reserve),
            rulebook=Rulebook(access.versions),
            on_page=on_page,
        )
        if scan is None:
            raise Refused(f"shop {org} has no rules yet; publish some: tagger rules publish {org} FILE")
        started = await scan(kind, by=me(), since_ms=since_ms)
    return await followed(access.redis, org, started) if wait and not api.shop.paused else started


def _end(ended: Run, *, as_json: bool) -> None:
    if as_json:
        print_json(row(ended))
    else:
        console().print(told(ended))
    raise typer.Exit(1 if ended.failed else 0)
