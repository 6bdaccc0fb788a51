"""`tagger backfill|reconcile`: scan a shop's customers at Haravan, 50 for each API call, after live webhooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from deploy.cli.context import AsJson, Org, ShopApi, open_shop_api, run, server_time_ms
from deploy.cli.inputs import ONE_DAY, Moment, current_actor, parse_time
from deploy.cli.output import print_json, print_sentence
from deploy.cli.preview_text import print_preview
from deploy.cli.runs import format_run, progress, row, wait_for_run, wait_until_prepared
from deploy.cli.wording import translate, translator
from deploy.local import console

if TYPE_CHECKING:
    from service.store.jobs import Run
    from workers.scan import ScanProgress

Wait = Annotated[bool, typer.Option("--wait", help="Wait until the tags are written.")]


def backfill(org: Org, wait: Wait = False, as_json: AsJson = False) -> None:
    """Scan all customers of the shop and queue those with wrong tags: for a new shop, or after a loss of data.

    The first scan of a shop only reads. Its changes are written if they are few, and otherwise wait for an approval.
    """

    async def work() -> int:
        async with open_shop_api(org) as api:
            return await _scan(api, "backfill", since_ms=None, wait=wait, as_json=as_json)

    raise typer.Exit(run(work()))


def reconcile(
    org: Org,
    since: Annotated[
        Moment | None,
        typer.Option(
            parser=parse_time,
            show_default="24h",
            help="Changed in the last 2h, 3d, or since a date and time.",
        ),
    ] = None,
    wait: Wait = False,
    as_json: AsJson = False,
) -> None:
    """Scan the customers that changed since a time: after an outage, when webhooks may have been missed.

    Before the shop's first scan is complete, this is its first scan, and reads all customers.
    """

    async def work() -> int:
        async with open_shop_api(org) as api:
            since_ms = (since or ONE_DAY).to_ms(now_ms=await server_time_ms(api.cli))
            return await _scan(api, "reconcile", since_ms=since_ms, wait=wait, as_json=as_json)

    raise typer.Exit(run(work()))


async def _scan(
    api: ShopApi,
    kind: Literal["backfill", "reconcile"],
    *,
    since_ms: int | None,
    wait: bool,
    as_json: bool,
) -> int:
    """Scan, print the result, and return the exit code."""
    from service.operations import describe_scan, no_rules
    from service.store.history import audit_log
    from service.store.queue import RateLimiter
    from service.store.rules import CompiledRulesCache
    from workers.haravan import WaitingPermits
    from workers.scan import build_scan

    org, cli = api.shop.org, api.cli
    with progress() as bar:
        task = bar.add_task(translate("scanning"), total=None)

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
            raise no_rules(org)
        actor = current_actor()
        async with audit_log.recorded(cli.redis, actor, kind, org=org, summary=describe_scan(since_ms)):
            started = await scan(kind, by=actor.name, since_ms=since_ms)
    if api.shop.first_look != "complete":
        return await _end_first_look(api, started, wait=wait, as_json=as_json)
    return await _finish(api, started, wait=wait, as_json=as_json)


async def _finish(api: ShopApi, started: Run, *, wait: bool, as_json: bool) -> int:
    ended = (
        await wait_for_run(api.cli.redis, api.shop.org, started) if wait and not api.shop.paused else started
    )
    if as_json:
        print_json(row(ended))
    else:
        console().print(format_run(ended))
    return 1 if ended.failed else 0


async def _end_first_look(api: ShopApi, walk: Run, *, wait: bool, as_json: bool) -> int:
    """Wait until a worker has compared the changes with the guard, and print what follows. 1: an approval is needed."""
    from service.publishing import first_look

    cli, org = api.cli, api.shop.org
    walk = await wait_until_prepared(cli.redis, org, walk)
    shop = await cli.shops.get_or_raise(org)
    if walk.pending:
        return 1
    if shop.first_look != "complete":
        if as_json:
            print_json(row(walk) | {"first_look": shop.first_look})
            return 1
        print_sentence("look.waiting", n=translator().number(walk.scanned))
        draft = await first_look.draft_approval(cli.context, shop)
        print_preview(draft, approve_with=f"tagger shops approve {org}")
        return 1
    if not as_json:
        print_sentence("look.complete", n=translator().number(walk.scanned))
    started = await first_look.find_rollout(cli.context, org)
    if started is not None:
        return await _finish(api, started, wait=wait, as_json=as_json)
    if as_json:
        print_json(row(walk))
    else:
        print_sentence("look.no_rules", org=org)
    return 0
