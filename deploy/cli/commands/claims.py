"""`tagger rules adopt|retract|exclude`: change by hand which tags are ours. Prints the number of customers first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Final

import typer

from deploy.cli.context import CliContext, Customer, Org, OrgId, open_context, run
from deploy.cli.inputs import current_actor
from deploy.cli.output import print_note
from deploy.cli.runs import format_run, wait_until_prepared
from deploy.cli.wording import deferred, translate, translator
from deploy.local import console

if TYPE_CHECKING:
    from service.operations import Claim, Exclusion
    from service.store.shops import Shop

Tag = Annotated[str, typer.Argument(metavar="TAG", help="The tag; case does not matter.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only count, change nothing.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]
MAX_EXAMPLES: Final = 10
ADDED: Final = deferred("Copies of the tag {tag} that would become ours: {copies}")
REMOVED: Final = deferred("Copies of the tag {tag} that would be removed: {copies}")
# in a dry run; after it; if it was so before
EXCLUDED: Final = (
    deferred("Customer {customer} would be excluded from the rule {rule}."),
    deferred("Customer {customer} is excluded from the rule {rule}."),
    deferred("Customer {customer} was excluded from the rule {rule} already."),
)
INCLUDED: Final = (
    deferred("Customer {customer} would be included in the rule {rule} again."),
    deferred("Customer {customer} is included in the rule {rule} again."),
    deferred("Customer {customer} was not excluded from the rule {rule}."),
)
RESTORED: Final = deferred("Copies of the tag {tag} that would be restored: {copies}")


def add_to(app: typer.Typer) -> None:
    """Add these commands to `tagger rules`."""
    for command in (adopt, retract, exclude):
        app.command()(command)


def adopt(
    org: Org,
    tag: Tag,
    matching_only: Annotated[
        bool, typer.Option("--matching-only", help="Only customers to whom the rules give the tag now.")
    ] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Take ownership of a tag that others added. From then on its rule also removes it."""
    from service.operations import claims

    async def plan(cli: CliContext, shop: Shop) -> Claim:
        return await claims.plan_adoption(cli.context, shop, tag, matching_only=matching_only)

    run(_claim(org, plan, ADDED, dry_run=dry_run, yes=yes))


def retract(
    org: Org,
    tag: Tag,
    undo: Annotated[
        bool, typer.Option("--undo", help="Give the tag back to the customers from whom it was retracted.")
    ] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    approve: Annotated[
        bool, typer.Option("--approve", help="Do it although the tag is removed from many customers.")
    ] = False,
) -> None:
    """Remove a tag from all customers to whom we gave it. Refused while a live rule gives this tag."""
    from service.operations import claims

    async def plan(cli: CliContext, shop: Shop) -> Claim:
        if undo:
            return await claims.plan_restoration(cli.context, shop, tag)
        return await claims.plan_retraction(cli.context, shop, tag)

    effect = RESTORED if undo else REMOVED
    run(_claim(org, plan, effect, dry_run=dry_run, yes=yes or approve, approve=approve))


def exclude(
    org: Org,
    customer: Customer,
    rule: Annotated[str, typer.Argument(metavar="RULE", help="The rule's or tier's id.")],
    undo: Annotated[bool, typer.Option("--undo", help="Remove the exclusion.")] = False,
    dry_run: DryRun = False,
) -> None:
    """Exclude a customer from a rule: the rule neither gives nor removes its tag there."""
    from service.operations import exclusions

    async def work() -> None:
        async with open_context() as cli:
            shop = await cli.shops.get_or_raise(org)
            planned = await exclusions.plan_exclusion(cli.context, shop, customer, rule, undo=undo)
            if not dry_run:
                await exclusions.apply_exclusion(cli.context, shop, planned, by=current_actor())
        console().print(_exclusion_text(planned, dry_run=dry_run))

    run(work())


def _exclusion_text(planned: Exclusion, *, dry_run: bool) -> str:
    states = INCLUDED if planned.undo else EXCLUDED
    state = states[0] if dry_run and planned.changed else states[1 if planned.changed else 2]
    if planned.add is None or planned.remove is None:
        effect = translate("This customer was not evaluated yet.")
    elif changes := [*(f"+{tag}" for tag in planned.add), *(f"−{tag}" for tag in planned.remove)]:
        effect = translate("Tag changes: {changes}", changes=", ".join(changes))
    else:
        effect = translate("No tag changes.")
    return f"{translate(state, customer=planned.customer, rule=planned.rule)} {effect}"


async def _claim(
    org: OrgId,
    plan: Callable[[CliContext, Shop], Awaitable[Claim]],
    effect: str,
    *,
    dry_run: bool,
    yes: bool,
    approve: bool = False,
) -> None:
    from service.operations import claims

    async with open_context() as cli:
        shop = await cli.shops.get_or_raise(org)
        claim = await plan(cli, shop)
        count = len(claim.new_owners)
        print_note(effect, tag=claim.tag, copies=translator().number(count))
        if count:
            examples = ", ".join(map(str, [*claim.new_owners][:MAX_EXAMPLES]))
            print_note("Customers: {customers}", customers=examples + (" …" if count > MAX_EXAMPLES else ""))
        if claim.guard is not None and claim.guard.needs_approval and not approve:
            print_note("So many removals need an approval: --approve")
        if dry_run or not count:
            return
        if not yes:
            customers = translator().plural("customers", count)
            question = translate("Do it for {customers} of shop {org}?", customers=customers, org=org)
            typer.confirm(question, abort=True, err=True)
        started = await claims.apply_claim(cli.context, shop, claim, by=current_actor(), approved=approve)
        if started is not None:
            console().print(format_run(await wait_until_prepared(cli.redis, shop.org, started)))
