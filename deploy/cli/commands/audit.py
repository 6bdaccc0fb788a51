"""`tagger audit`: who changed what, and whether the record of it is whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.context import AsJson, CliContext, OrgId, open_context, parse_org_id, run, server_time_ms
from deploy.cli.inputs import Moment, parse_time
from deploy.cli.output import format_time, print_json, print_table
from deploy.cli.wording import headings, translate, translator
from deploy.local import console
from service.sentence import Sentence

if TYPE_CHECKING:
    from service.domain.customers import OrgId
    from service.store.history import Verification

app = typer.Typer(
    help="The audit log: who changed what. Each shop has one, and the service has one for tokens and shops.",
    no_args_is_help=True,
)


def _parse_chain(text: str) -> OrgId:
    """The org id of a chain; that of the service has a name. Raises UsageError."""
    from service.store.client import SERVICE

    return SERVICE if text == SERVICE else parse_org_id(text)


Shop = Annotated[
    OrgId | None,
    typer.Option(
        metavar="ORG", parser=_parse_chain, help="This shop's audit log. Default: that of the service."
    ),
]


@app.command("list")
def list_entries(
    shop: Shop = None,
    by: Annotated[str, typer.Option(help="Only changes by this user, token or person.")] = "",
    action: Annotated[str, typer.Option(help="Only this action, as --json names it, such as publish.")] = "",
    since: Annotated[
        Moment | None,
        typer.Option(parser=parse_time, help="In the last 30m, 2h, 3d, or since a date and time."),
    ] = None,
    until: Annotated[
        Moment | None, typer.Option(parser=parse_time, help="Before a date and time, or 30m, 2h, 3d ago.")
    ] = None,
    before: Annotated[
        int | None, typer.Option(min=1, metavar="NUMBER", help="Only entries before this one: the next page.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List the changes, newest first."""
    from service.store.history import AuditFilter, audit_log

    async def work() -> None:
        async with open_context() as cli:
            org, zone = await _chain(cli, shop)
            now_ms = await server_time_ms(cli)
            wanted = AuditFilter(
                by=by,
                action=action,
                since_ms=since.to_ms(now_ms=now_ms) if since else 0,
                until_ms=until.to_ms(now_ms=now_ms) if until else None,
            )
            rows = await audit_log.list_entries(cli.redis, org, limit=limit, before=before, wanted=wanted)
        words = translator()
        if as_json:
            import msgspec

            print_json(
                [
                    msgspec.to_builtins(row.entry) | {"summary": row.entry.summary, "hash": row.hash}
                    for row in rows
                ]
            )
            return
        print_table(
            headings(">no.", "when", "by", "role", "action", "what"),
            [
                (
                    row.entry.number,
                    format_time(row.entry.at_ms, zone),
                    f"{row.entry.by} {words(f'audit.kind.{row.entry.kind}')}",
                    row.entry.role.value,
                    _action(row.entry.action),
                    row.entry.sentence.text(words),
                )
                for row in rows
            ],
            empty=translate("Nothing was changed yet.")
            if wanted == AuditFilter() and before is None
            else translate("No entry matches."),
        )

    run(work())


@app.command()
def verify(
    shop: Annotated[
        OrgId | None,
        typer.Option(
            metavar="ORG",
            parser=_parse_chain,
            help="Only this shop's audit log. Default: that of the service and of every shop.",
        ),
    ] = None,
    expect: Annotated[
        str,
        typer.Option(
            metavar="HASH", help="With --shop: a hash noted earlier, which the log must still contain."
        ),
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Check that no entry was changed, removed or inserted. Prints the last hash. Exits with 1 if a check fails.

    Note the last hash outside of Redis. Somebody who can write to Redis can compute a whole new log, but not one that
    contains a hash that you have noted.
    """
    from service.errors import Refused
    from service.store.client import SERVICE
    from service.store.history import audit_log

    if expect and not shop:
        raise Refused(Sentence("--expect needs --shop, because each shop has an audit log of its own"))

    async def work() -> dict[OrgId, Verification]:
        async with open_context() as cli:
            chains = [(await _chain(cli, shop))[0]] if shop else [SERVICE, *await cli.shops.orgs()]
            return {org: await audit_log.verify(cli.redis, org, expected_hash=expect) for org in chains}

    results = run(work())
    if as_json:
        print_json([_row(org, result) for org, result in results.items()])
    else:
        for org, result in results.items():
            console().print(_sentence(org, result))
    raise typer.Exit(1 if any(result.problem for result in results.values()) else 0)


async def _chain(cli: CliContext, org: OrgId | None) -> tuple[OrgId, str]:
    """The org of the chain, and the time zone of its times: "" is this machine's. Raises NotFound."""
    from service.store.client import SERVICE

    if org in (None, SERVICE):
        return SERVICE, ""
    shop = await cli.shops.get_or_raise(org)
    return shop.org, shop.timezone


def _action(name: str) -> str:
    words, key = translator(), f"audit.action.{name}"
    return words(key) if words.has(key) else name


def _row(org: OrgId, result: Verification) -> dict[str, object]:
    return {
        "chain": org,
        "entries": result.entries,
        "trimmed": result.trimmed,
        "last_hash": result.last_hash,
        "problem": str(result.problem or ""),
    }


def _sentence(org: OrgId, result: Verification) -> str:
    if result.problem:
        return f"✘ {org}: {result.problem.text(translator())}"
    entries = translate(
        "{entries}, last hash {hash}",
        entries=translator().plural("entries", result.entries),
        hash=result.last_hash or "-",
    )
    trimmed = (
        translate(" (and {count} older ones, removed after 400 days)", count=result.trimmed)
        if result.trimmed
        else ""
    )
    return f"✔ {org}: {entries}{trimmed}"
