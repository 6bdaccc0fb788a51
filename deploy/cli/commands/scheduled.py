"""`tagger rules schedule|scheduled|reschedule|unschedule|publish-scheduled`: publish rules at a set time."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.commands.publishing import (
    Approve,
    Note,
    preview_if_refused,
    print_published,
    wait_for,
)
from deploy.cli.context import AsJson, Org, OrgId, open_context, parse_org_id, run
from deploy.cli.exit_codes import UsageError
from deploy.cli.inputs import RulesFile, current_actor, read_rules_file
from deploy.cli.output import print_json, print_sentence, print_table
from deploy.cli.preview_text import print_preview
from deploy.cli.wording import headings, translate, translator
from service.sentence import Sentence

if TYPE_CHECKING:
    from service.store.scheduled import ScheduledPublish
    from service.store.shops import Shop


def parse_local_time(text: str) -> datetime:
    """A day and time as it is on the shop's clock, such as 2027-01-25 08:00. Raises UsageError."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as exc:
        raise UsageError(
            Sentence("{text!r} is not a day and time: write '2027-01-25 08:00'", text=text)
        ) from exc
    if moment.tzinfo is not None:
        raise UsageError(
            Sentence(
                "{text!r} has an offset: write the time of the shop, such as '2027-01-25 08:00'", text=text
            )
        )
    return moment


At = Annotated[
    datetime,
    typer.Option(
        "--at",
        metavar="TIME",
        parser=parse_local_time,
        help="When, in the shop's time zone: '2027-01-25 08:00'.",
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add these commands to `tagger rules`."""
    for command in (schedule, reschedule, unschedule):
        app.command()(command)
    app.command("scheduled")(list_scheduled)
    app.command("publish-scheduled")(publish_scheduled)


def schedule(
    org: Org,
    file: RulesFile,
    at: At,
    note: Note = "",
    approve: Approve = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Take the place of rules that are scheduled already.")
    ] = False,
) -> None:
    """Publish a rules file at a set time. A preview is shown now, and another one is made when it is due.

    A version that was published meanwhile, or the guard, stops it then: an alert is sent, and it waits for a person.
    """
    from service.publishing import create_draft, scheduled

    rule_set = read_rules_file(file)

    async def work() -> None:
        async with open_context() as cli:
            shop = await cli.shops.get_or_raise(org)
            draft = await create_draft(cli.context, shop, rule_set)
            with preview_if_refused(draft):
                entry = await scheduled.schedule_publish(
                    cli.context,
                    shop,
                    draft,
                    at_ms=scheduled.moment_ms(at, shop.timezone),
                    by=current_actor(),
                    note=note,
                    approved=approve,
                    replace=replace,
                )
        print_preview(draft)
        print_sentence("scheduled.done", moment=_moment(entry, shop), org=org)

    run(work())


def list_scheduled(
    org: Annotated[
        OrgId | None,
        typer.Argument(metavar="[ORG]", parser=parse_org_id, help="A shop. Default: every shop."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List scheduled publishes: when, by whom, with which effect, and why one was stopped."""
    import msgspec

    from service.publishing import scheduled

    async def work() -> None:
        async with open_context() as cli:
            orgs = await cli.shops.orgs() if org is None else [(await cli.shops.describe(org)).org]
            shops = [await cli.shops.describe(each) for each in orgs]
            found = [(shop, await scheduled.find(cli.context, shop.org)) for shop in shops]
        entries = [(shop, entry) for shop, entry in found if entry is not None]
        if as_json:
            print_json(
                [
                    msgspec.to_builtins(entry) | {"org": shop.org, "by": entry.by.name}
                    for shop, entry in entries
                ]
            )
            return
        print_table(
            headings("shop", "due", "by", "note", ">expected", "state"),
            [
                (
                    shop.org,
                    _moment(entry, shop),
                    entry.by.name,
                    entry.note,
                    f"+{entry.preview['added']} −{entry.preview['removed']}",
                    translate("scheduled.waits")
                    if entry.stop is None
                    else translator()(f"scheduled.stopped.{entry.stop.reason}", live=entry.stop.live),
                )
                for shop, entry in entries
            ],
            empty=translate("scheduled.none"),
        )

    run(work())


def reschedule(org: Org, at: At) -> None:
    """Set another time for the scheduled publish."""
    from service.publishing import scheduled

    async def work() -> None:
        async with open_context() as cli:
            shop = await cli.shops.get_or_raise(org)
            at_ms = scheduled.moment_ms(at, shop.timezone)
            entry = await scheduled.reschedule_publish(cli.context, org, at_ms=at_ms, by=current_actor())
        print_sentence("scheduled.done", moment=_moment(entry, shop), org=org)

    run(work())


def unschedule(org: Org) -> None:
    """Cancel the scheduled publish. The live rules stay as they are."""
    from service.publishing import scheduled

    async def work() -> None:
        async with open_context() as cli:
            shop = await cli.shops.get_or_raise(org)
            entry = await scheduled.cancel_scheduled(cli.context, org, by=current_actor())
        print_sentence("scheduled.cancelled", moment=_moment(entry, shop))

    run(work())


def publish_scheduled(
    org: Org,
    approve: Approve = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show the effect.")] = False,
) -> None:
    """Publish the scheduled rules now: before their time, or after they were stopped. They replace what is live."""
    from service.publishing import scheduled

    async def work() -> None:
        async with open_context() as cli:
            shop = await cli.shops.get_or_raise(org)
            entry = await scheduled.load_scheduled(cli.context, shop.org)
            draft = await scheduled.draft_scheduled(cli.context, shop, entry)
            if dry_run:
                print_preview(draft)
                return
            with preview_if_refused(draft):
                published = await scheduled.publish_scheduled(
                    cli.context, shop, entry, draft, by=current_actor(), approved=approve
                )
            started = await wait_for(cli, shop, published)
        print_published(published.version.number, started, draft, shop)

    run(work())


def _moment(entry: ScheduledPublish, shop: Shop) -> str:
    """When it is due, on the shop's clock."""
    from datetime import UTC
    from zoneinfo import ZoneInfo

    local = datetime.fromtimestamp(entry.at_ms / 1000, UTC).astimezone(ZoneInfo(shop.timezone))
    return f"{translator().day(local.date())} {local:%H:%M}"
