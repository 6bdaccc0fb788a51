"""`tagger users`: who may use the pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.context import AsJson, CliContext, OrgId, open_context, parse_org_id, run
from deploy.cli.inputs import current_actor, parse_role
from deploy.cli.output import format_time, print_json, print_note, print_sentence, print_table
from deploy.cli.wording import headings, translate

if TYPE_CHECKING:
    from service.domain.access import User, UserSecret

app = typer.Typer(help="Users of the pages: add, list, remove, sign-in links.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="A short name, shown in the audit log.")]
Url = Annotated[
    str, typer.Option(metavar="URL", help="Where the pages are. Default: http://127.0.0.1 with PORT.")
]


@app.command()
def add(
    name: Name,
    email: Annotated[str, typer.Option(help="The address to sign in with. The audit log never has it.")],
    role: Annotated[
        str, typer.Option(help="viewer, marketer, ops or owner; each may do what those before it may.")
    ],
    shop: Annotated[
        list[OrgId] | None,
        typer.Option(
            metavar="ORG", parser=parse_org_id, help="Only this shop; can be repeated. Default: every shop."
        ),
    ] = None,
    url: Url = "",
) -> None:
    """Add a user and print a link to sign in with. It works once, within a day; then the user chooses a password."""
    from service.operations import access

    chosen = parse_role(role)

    async def work() -> None:
        async with open_context() as cli:
            secret = await access.add_user(
                cli.context,
                name,
                email,
                chosen,
                shops=frozenset(shop) if shop else None,
                by=current_actor(),
            )
            _print_link(cli, secret, url)

    run(work())


@app.command("list")
def list_users(as_json: AsJson = False) -> None:
    """List the users with their role and shops."""
    from service.operations import access

    async def work() -> list[User]:
        async with open_context() as cli:
            return await access.list_users(cli.context)

    users = run(work())
    if as_json:
        print_json([_row(user) for user in users])
        return
    print_table(
        headings("name", "e-mail", "role", "shops", "password", "added", "by"),
        [
            (
                user.name,
                user.email,
                user.role.value,
                translate("every shop") if user.shops is None else ", ".join(user.shops),
                format_time(user.password_ms) if user.password else translate("not chosen yet"),
                format_time(user.created_ms),
                user.created_by,
            )
            for user in users
        ],
        empty=translate(
            "There is no user yet. Add the first: tagger users add NAME --email ADDRESS --role owner"
        ),
    )


@app.command()
def remove(name: Name) -> None:
    """Remove a user, and end all sessions of this user."""
    from service.operations import access

    async def work() -> None:
        async with open_context() as cli:
            await access.remove_user(cli.context, name, by=current_actor())
        print_sentence("User {name} is removed.", name=name)

    run(work())


@app.command()
def link(name: Name, url: Url = "") -> None:
    """Print a new link to sign in with, for somebody who forgot the password. An earlier link stops working."""
    from service.operations import access

    async def work() -> None:
        async with open_context() as cli:
            secret = await access.create_link(cli.context, name, by=current_actor())
            _print_link(cli, secret, url)

    run(work())


def _print_link(cli: CliContext, secret: UserSecret, url: str) -> None:
    print_note(
        "Send this link to {name} only. It works once, within 24 hours, and is not shown again.",
        name=secret.name,
    )
    base = url.rstrip("/") or f"http://127.0.0.1:{cli.settings.port}"
    typer.echo(f"{base}{secret.link_path}")


def _row(user: User) -> dict[str, object]:
    return {
        "name": user.name,
        "email": user.email,
        "role": user.role,
        "shops": user.shops,
        "has_password": bool(user.password),
        "created_ms": user.created_ms,
        "created_by": user.created_by,
    }
