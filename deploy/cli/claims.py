"""`tagger rules adopt|retract|exclude`: whose tags are ours, by hand; counted before it is done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.access import Access, Customer, Org, customer_id, opened, org_id, run
from deploy.cli.output import console, counted, errors
from deploy.cli.person import me
from deploy.cli.runs import prepared, told

if TYPE_CHECKING:
    from service.store.claims import Claim
    from service.store.exclusions import Exclusion
    from service.store.shop import Shop

Tag = Annotated[str, typer.Argument(metavar="TAG", help="The tag; case does not matter.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Count, and change nothing.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
SOME = 10


def add_to(app: typer.Typer) -> None:
    """Put these commands into `tagger rules`."""
    for command in (adopt, retract, exclude):
        app.command()(command)


def adopt(
    org: Org,
    tag: Tag,
    matching_only: Annotated[
        bool, typer.Option("--matching-only", help="Only where the rules would give it now.")
    ] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Make copies of a tag ours that somebody else put on: from then on the rule removes them too."""
    from service.store import claims

    async def plan(access: Access, shop: Shop) -> Claim:
        return await claims.plan_adoption(access.context, shop, tag, matching_only=matching_only)

    run(_claim(org, plan, "to become ours", dry_run=dry_run, yes=yes))


def retract(org: Org, tag: Tag, dry_run: DryRun = False, yes: Yes = False) -> None:
    """Remove a tag from whoever has it from us. Refused while a live rule would give it again."""
    from service.store import claims

    async def plan(access: Access, shop: Shop) -> Claim:
        return await claims.plan_retraction(access.context, shop, tag)

    run(_claim(org, plan, "to be removed", dry_run=dry_run, yes=yes))


def exclude(
    org: Org,
    customer: Customer,
    rule: Annotated[str, typer.Argument(metavar="RULE", help="The rule's or tier's id.")],
    undo: Annotated[bool, typer.Option("--undo", help="Include the customer again.")] = False,
    dry_run: DryRun = False,
) -> None:
    """Leave a customer alone with a rule: it neither gives nor removes its tag there."""
    from service.store import exclusions

    async def work() -> None:
        async with opened() as access:
            shop = await access.shops.require(org_id(org))
            planned = await exclusions.plan(access.context, shop, customer_id(customer), rule, undo=undo)
            if not dry_run:
                await exclusions.carry_out(access.context, shop, planned, by=me())
        console().print(_said(planned, dry_run=dry_run), soft_wrap=True)

    run(work())


def _said(planned: Exclusion, *, dry_run: bool) -> str:
    would = "would follow" if dry_run else "follows"
    left = "would be left" if dry_run else "is left"
    state = (
        f"{would} the rule {planned.rule} again"
        if planned.undo
        else f"{left} alone by the rule {planned.rule}"
    )
    if planned.add is None or planned.remove is None:
        coming = "we have not looked at it yet"
    else:
        changes = [*(f"+{tag}" for tag in planned.add), *(f"−{tag}" for tag in planned.remove)]
        coming = f"its tags then change: {', '.join(changes)}" if changes else "its tags stay as they are"
    return f"Customer {planned.customer} {state}{'' if planned.news else ', as before'}; {coming}."


async def _claim(
    org: str, plan: Callable[[Access, Shop], Awaitable[Claim]], what: str, *, dry_run: bool, yes: bool
) -> None:
    from service.store import claiming

    async with opened() as access:
        shop = await access.shops.require(org_id(org))
        claim = await plan(access, shop)
        count = len(claim.owners)
        some = ", ".join(map(str, [*claim.owners][:SOME])) + (" …" if count > SOME else "")
        many = "copy" if count == 1 else "copies"
        errors().print(f"{count} {many} of {claim.tag!r} {what}{f': customers {some}' if some else ''}")
        if dry_run or not count:
            return
        if not yes:
            typer.confirm(f"Do it for {counted(count, 'customer')} of shop {org}?", abort=True, err=True)
        started = await claiming.carry_out(access.context, shop, claim, by=me())
        if started is not None:
            console().print(told(await prepared(access.redis, shop.org, started)))
