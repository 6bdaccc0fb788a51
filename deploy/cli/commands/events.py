"""`tagger events`: where the events of a shop are sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from deploy.cli.context import AsJson, CliContext, Org, open_context, run
from deploy.cli.exit_codes import UsageError
from deploy.cli.inputs import Moment, current_actor, parse_time
from deploy.cli.output import format_time, print_json, print_sentence, print_table
from deploy.cli.wording import headings, translate, translator
from service.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from service.domain.events import EventType
    from service.operations import EndpointStatus, NewSecret
    from service.store.events import DeadEvent
    from service.store.shops import Shop

app = typer.Typer(
    help="Events out: tell other programs which customers were tagged, what was published, and pauses (Standard Webhooks).",
    no_args_is_help=True,
)

EndpointId = Annotated[str, typer.Argument(metavar="ENDPOINT", help="The endpoint's id, such as E1.")]
EventTypes = Annotated[
    str | None,
    typer.Option(
        "--events",
        metavar="TYPES",
        help="Types with commas between: customer.tagged, customer.untagged, rules.published, shop.paused. Default: all.",
    ),
]
STATES = {
    "by_hand": Sentence("disabled"),
    "gone": Sentence("disabled: it answered 410"),
    "failing": Sentence("disabled: no answer for three days"),
}


@app.command("list")
def list_endpoints(org: Org, as_json: AsJson = False) -> None:
    """List the endpoints of a shop, and how far each is."""
    from service.operations import endpoints

    async def work() -> list[EndpointStatus]:
        async with open_context() as cli:
            await cli.shops.describe(org)
            return await endpoints.list_endpoints(cli.context, org)

    rows = run(work())
    if as_json:
        print_json([endpoints.to_plain(each) for each in rows])
        return
    print_table(
        headings(
            "id", "address", "events", "state", ">delivered", ">rejected", "last success", "last failure"
        ),
        [
            (
                each.endpoint.id,
                each.endpoint.url,
                ", ".join(each.endpoint.events),
                _state(each),
                each.state.delivered,
                each.rejected,
                format_time(each.state.succeeded_ms),
                f"{format_time(each.state.failed_ms)} {each.state.failure}".strip()
                if each.state.failed_ms
                else None,
            )
            for each in rows
        ],
        empty=translate(
            "Shop {org} sends no events. Add an endpoint with: tagger events add {org} https://…", org=org
        ),
    )


@app.command()
def add(
    org: Org,
    url: Annotated[str, typer.Argument(metavar="URL", help="The address of the receiver: https://…")],
    events: EventTypes = None,
    as_json: AsJson = False,
) -> None:
    """Add an endpoint. Prints its secret, once. It gets what happens from now on."""
    from service.operations import endpoints

    types = _parse_types(events)

    async def work(cli: CliContext, shop: Shop) -> NewSecret:
        return await endpoints.add_endpoint(cli.context, shop, url, by=current_actor(), **types)

    _print_secret(_with_shop(org, work), as_json=as_json)


@app.command()
def change(
    org: Org,
    endpoint: EndpointId,
    url: Annotated[str | None, typer.Option("--url", metavar="URL", help="The new address.")] = None,
    events: EventTypes = None,
) -> None:
    """Change the address or the types of events of an endpoint."""
    from service.operations import endpoints

    types = _parse_types(events)

    async def work(cli: CliContext, _: Shop) -> None:
        await endpoints.change_endpoint(
            cli.context, org, endpoint, url=url, events=types.get("events"), by=current_actor()
        )

    _with_shop(org, work)
    print_sentence("Endpoint {endpoint} was changed.", endpoint=endpoint)


@app.command()
def rotate(org: Org, endpoint: EndpointId, as_json: AsJson = False) -> None:
    """Give an endpoint a new secret. Prints it, once. For a day the former one signs as well."""
    from service.operations import endpoints

    async def work(cli: CliContext, shop: Shop) -> NewSecret:
        return await endpoints.rotate_secret(cli.context, shop, endpoint, by=current_actor())

    _print_secret(_with_shop(org, work), as_json=as_json)


@app.command()
def disable(org: Org, endpoint: EndpointId) -> None:
    """Stop sending to an endpoint. Its place is kept."""
    _set_disabled(org, endpoint, disabled=True)
    print_sentence(
        "Nothing is sent to endpoint {endpoint} any more. Go on with: tagger events enable {org} {endpoint}",
        org=org,
        endpoint=endpoint,
    )


@app.command()
def enable(org: Org, endpoint: EndpointId) -> None:
    """Go on sending to an endpoint, from where it stopped, also if it was disabled because it did not answer."""
    _set_disabled(org, endpoint, disabled=False)
    print_sentence("Events are sent to endpoint {endpoint} again, from where it stopped.", endpoint=endpoint)


@app.command()
def remove(org: Org, endpoint: EndpointId) -> None:
    """Remove an endpoint. What it did not get is not sent."""
    from service.operations import endpoints

    async def work(cli: CliContext, _: Shop) -> None:
        await endpoints.remove_endpoint(cli.context, org, endpoint, by=current_actor())

    _with_shop(org, work)
    print_sentence("Endpoint {endpoint} was removed.", endpoint=endpoint)


@app.command()
def rejected(
    org: Org,
    endpoint: EndpointId,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List the events that an endpoint rejected, newest first."""
    from service.store.events import endpoints

    async def work(cli: CliContext, _: Shop) -> list[DeadEvent]:
        await endpoints.get(cli.redis, org, endpoint)
        return await endpoints.list_dead(cli.redis, org, endpoint, limit=limit)

    rows = _with_shop(org, work)
    if as_json:
        print_json([each._asdict() for each in rows])
        return
    print_table(
        headings("when", "event", "answer"),
        [(format_time(each.at_ms), f"{each.source} {each.entry}", each.cause) for each in rows],
        empty=translate("The endpoint has rejected nothing."),
    )


@app.command()
def retry(org: Org, endpoint: EndpointId) -> None:
    """Send the events that an endpoint rejected once more."""
    from service.operations import endpoints

    async def work(cli: CliContext, _: Shop) -> int:
        return await endpoints.retry_rejected(cli.context, org, endpoint, by=current_actor())

    print_sentence("Events that will be sent again: {count}", count=_with_shop(org, work))


@app.command()
def replay(
    org: Org,
    endpoint: EndpointId,
    since: Annotated[
        Moment, typer.Option(parser=parse_time, metavar="TIME", help="30m, 2h, 3d, or 2026-11-21T08:30.")
    ],
) -> None:
    """Send the events since a time again, in their order. They have the same ids, so a receiver can tell."""
    from service.operations import endpoints

    async def work(cli: CliContext, _: Shop) -> None:
        now_ms = await cli.context.now_ms()
        await endpoints.replay_events(
            cli.context, org, endpoint, since_ms=since.to_ms(now_ms=now_ms), by=current_actor()
        )

    _with_shop(org, work)
    print_sentence("The events since then are sent to endpoint {endpoint} again.", endpoint=endpoint)


def _with_shop(org: Org, work: Callable[[CliContext, Shop], Awaitable[Any]]) -> Any:
    """Run something with a stored shop. Raises NotFound."""

    async def opened() -> Any:
        async with open_context() as cli:
            return await work(cli, await cli.shops.describe(org))

    return run(opened())


def _set_disabled(org: Org, endpoint: str, *, disabled: bool) -> None:
    from service.operations import endpoints

    async def work(cli: CliContext, _: Shop) -> None:
        await endpoints.change_endpoint(cli.context, org, endpoint, disabled=disabled, by=current_actor())

    _with_shop(org, work)


def _parse_types(text: str | None) -> dict[str, Sequence[EventType]]:
    """The argument `events`, if types were given. Raises UsageError."""
    from service.domain.events import EVENT_TYPES

    if text is None:
        return {}
    names = [name.strip() for name in text.split(",") if name.strip()]
    types = [each for each in EVENT_TYPES if each in names]
    if not names or len(types) != len(set(names)):
        raise UsageError(
            Sentence("name types of events with commas between: {types}", types=", ".join(EVENT_TYPES))
        )
    return {"events": types}


def _print_secret(new: NewSecret, *, as_json: bool) -> None:
    if as_json:
        print_json({"id": new.endpoint.id, "url": new.endpoint.url, "secret": new.secret})
        return
    print_sentence(
        "Endpoint {endpoint}: {events}", endpoint=new.endpoint.id, events=", ".join(new.endpoint.events)
    )
    print_sentence("Secret: {secret}", secret=new.secret)
    print_sentence("It is shown only now. The receiver checks the signature with it (deploy/docs/events.md).")


def _state(status: EndpointStatus) -> str:
    if status.endpoint.disabled:
        return STATES[status.endpoint.disabled].text(translator())
    if status.state.failure and status.state.attempts:
        return translate(
            "attempt {number} at {time}",
            number=status.state.attempts + 1,
            time=format_time(status.state.due_ms),
        )
    return translate("events wait") if status.is_behind else translate("up to date")
