"""`tagger replay`: look at customers again, counted before it is run."""

from __future__ import annotations

from typing import Annotated

import typer

from deploy.cli.access import AsJson, Org, customer_id, now_ms, opened, org_id, run
from deploy.cli.moments import moment_ms
from deploy.cli.output import console, counted, errors, print_json
from deploy.cli.person import me
from deploy.cli.runs import counting, followed, row, told


def replay(
    org: Org,
    customers: Annotated[str, typer.Option(metavar="1,2,3", help="These customers, by id.")] = "",
    since: Annotated[
        str, typer.Option(help="Whoever was named by a delivery since: 30m, 2h, 3d, a time.")
    ] = "",
    until: Annotated[str, typer.Option(help="With --since: until when.")] = "",
    topic: Annotated[
        list[str] | None, typer.Option(help="With --since: deliveries of this topic only.")
    ] = None,
    dead_letters: Annotated[
        bool, typer.Option("--dead-letters", help="Whoever has an open dead letter.")
    ] = False,
    everybody: Annotated[bool, typer.Option("--everybody", help="Every customer that we know.")] = False,
    reason: Annotated[str, typer.Option(help="Why: kept with the run.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count, and mark nobody.")] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Stay until it is done and say what came of it.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Look at customers again, behind live webhooks. Only differences are written: twice changes nothing."""
    from service.store import replays

    async def work() -> int:
        async with opened() as access:
            shop = await access.shops.require(org_id(org))
            now = await now_ms(access)
            with counting("looking") as on_found:
                selection = await replays.select(
                    access.redis,
                    shop.org,
                    customers=[customer_id(each) for each in customers.split(",") if each.strip()],
                    since_ms=moment_ms(since, now_ms=now) if since else None,
                    until_ms=moment_ms(until, now_ms=now) if until else None,
                    topics=topic or (),
                    dead_letters=dead_letters,
                    everybody=everybody,
                    on_found=on_found,
                )
            count = len(selection.customers)
            if not as_json:
                errors().print(f"{counted(count, 'customer')} of shop {org}.")
            if dry_run:
                if as_json:
                    print_json({"customers": count, "dry_run": True})
                return 0
            with counting("marking", total=count) as on_marked:
                started = await replays.start(
                    access.redis, shop.org, selection, by=me(), reason=reason, now_ms=now, on_marked=on_marked
                )
            if shop.paused and not as_json:
                errors().print(f"The shop is paused ({shop.paused}); the marks wait until it works again.")
            ended = await followed(access.redis, shop.org, started) if wait and not shop.paused else started
        if as_json:
            print_json(row(ended))
        else:
            console().print(told(ended))
        return 1 if ended.failed else 0

    raise typer.Exit(run(work()))
