"""`tagger tokens`: who may use the ops API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from deploy.cli.context import AsJson, OrgId, open_context, parse_org_id, run, server_time_ms
from deploy.cli.inputs import UNIT_SECONDS, Moment, current_actor, parse_role, parse_time
from deploy.cli.output import format_time, print_json, print_note, print_sentence, print_table
from deploy.cli.wording import headings, translate

if TYPE_CHECKING:
    from service.domain.access import Token
    from service.store.access import TokenUse

app = typer.Typer(help="Tokens of the ops API: add, list, revoke.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The token's name, shown in the audit log.")]
NEVER: Final = "never"
DEFAULT_EXPIRY: Final = "365d"


def _parse_expiry(text: str) -> Moment:
    """The moment of `90d`, `12h` (from now), of an ISO date or time, or of `never`, which is 0. Raises UsageError."""
    text = text.strip()
    if text == NEVER:
        return Moment(0, is_ago=False)
    number, unit = text[:-1], text[-1:]
    if number.isascii() and number.isdigit() and len(number) <= 6 and unit in UNIT_SECONDS:
        return Moment(-int(number) * UNIT_SECONDS[unit] * 1000, is_ago=True)
    return parse_time(text)


@app.command()
def add(
    name: Name,
    role: Annotated[
        str, typer.Option(help="viewer, marketer, ops or owner; each may do what those before it may.")
    ],
    shop: Annotated[
        list[OrgId] | None,
        typer.Option(
            metavar="ORG", parser=parse_org_id, help="Only this shop; can be repeated. Default: every shop."
        ),
    ] = None,
    expires: Annotated[
        Moment | None,
        typer.Option(
            parser=_parse_expiry,
            show_default=DEFAULT_EXPIRY,
            help="In 30d, 12h, …, at a date and time, or never.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a token and print it. It is printed once: only its hash is stored."""
    from service.operations import add_token

    chosen = parse_role(role)

    async def work() -> None:
        async with open_context() as cli:
            created = await add_token(
                cli.context,
                name,
                chosen,
                shops=frozenset(shop) if shop else None,
                expires_ms=(expires or _parse_expiry(DEFAULT_EXPIRY)).to_ms(now_ms=await server_time_ms(cli)),
                by=current_actor(),
            )
        if as_json:
            print_json(_row(created.stored, 0) | {"secret": created.secret})
            return
        print_note(
            "Token {name} with the role {role}, for {shops}, {expiry}. Keep it now: it is not shown again.",
            name=name,
            role=created.stored.role,
            shops=_format_shops(created.stored),
            expiry=_format_expiry(created.stored),
        )
        typer.echo(created.secret)

    run(work())


@app.command("list")
def list_tokens(as_json: AsJson = False) -> None:
    """List the tokens with their role, shops, expiry and last use. Those of OPS_TOKENS are in the environment only."""
    from service import operations

    async def work() -> tuple[list[TokenUse], int]:
        async with open_context() as cli:
            return await operations.list_tokens(cli.context), await server_time_ms(cli)

    uses, now_ms = run(work())
    if as_json:
        print_json([_row(use.token, use.used_ms) for use in uses])
        return
    print_table(
        headings("name", "role", "shops", "expires", "last use", "made by"),
        [
            (
                use.token.name,
                use.token.role.value,
                _format_shops(use.token),
                translate("expired") if use.token.is_expired(now_ms) else _format_expiry(use.token),
                format_time(use.used_ms),
                use.token.created_by,
            )
            for use in uses
        ],
        empty=translate("There is no token yet. Make one: tagger tokens add NAME --role viewer"),
    )


@app.command()
def revoke(name: Name) -> None:
    """Delete a token. Its next request is refused."""
    from service.operations import revoke_token

    async def work() -> None:
        async with open_context() as cli:
            await revoke_token(cli.context, name, by=current_actor())
        print_sentence("Token {name} is revoked.", name=name)

    run(work())


def _format_shops(token: Token) -> str:
    return translate("every shop") if token.shops is None else ", ".join(token.shops)


def _format_expiry(token: Token) -> str:
    if not token.expires_ms:
        return translate("without expiry")
    return translate("until {time}", time=format_time(token.expires_ms))


def _row(token: Token, used_ms: int) -> dict[str, object]:
    return {
        "name": token.name,
        "role": token.role,
        "shops": token.shops,
        "expires_ms": token.expires_ms or None,
        "created_ms": token.created_ms,
        "created_by": token.created_by,
        "used_ms": used_ms or None,
    }
