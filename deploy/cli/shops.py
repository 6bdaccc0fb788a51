"""`tagger shops`: which shops there are, their tokens, and whether their work goes on."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli import shadow as shadow_mode
from deploy.cli.access import AsJson, Org, opened, org_id, run
from deploy.cli.api import confirm_token
from deploy.cli.output import console, errors, print_json, print_table
from deploy.cli.person import me
from deploy.cli.secrets import read_secret
from deploy.cli.shop_rows import row_of, state_of

if TYPE_CHECKING:
    from service.store.shop import Dialect

app = typer.Typer(
    help="The shops: add, list, remove, change a token, pause, resume, shadow mode.", no_args_is_help=True
)

FromStdin = Annotated[
    bool, typer.Option("--token-stdin", help="Read the secret from stdin instead of asking.")
]
Unchecked = Annotated[bool, typer.Option("--unchecked", help="Do not try the token at Haravan first.")]


@app.command()
def add(
    org: Org,
    name: Annotated[str, typer.Option(help="What people call it.")] = "",
    dialect: Annotated[str, typer.Option(help="omni (today's API) or admin (the older one).")] = "omni",
    api_url: Annotated[
        str, typer.Option(help="Its API. Admin: https://SHOP.myharavan.com/admin")
    ] = "https://apis.haravan.com/com",
    timezone: Annotated[str, typer.Option(help="Where its day begins.")] = "Asia/Ho_Chi_Minh",
    currency: Annotated[str, typer.Option(help="Of its amounts.")] = "VND",
    reserve: Annotated[
        int, typer.Option(min=0, max=30, help="Places of its API bucket left to the merchant's other apps.")
    ] = 0,
    shadow: Annotated[bool, typer.Option(help="Decide and record, write nothing.")] = False,
    token_stdin: FromStdin = False,
    unchecked: Unchecked = False,
) -> None:
    """Add a shop. Its access token is asked for, or read from stdin."""
    from service.store.shop import Shop, check

    async def work() -> None:
        shop = Shop(
            org=org_id(org),
            name=name or f"Shop {org}",
            dialect=_dialect(dialect),
            api_url=api_url.rstrip("/"),
            token=read_secret("Access token", from_stdin=token_stdin),
            timezone=timezone,
            currency=currency,
            reserve=reserve,
            shadow=shadow,
        )
        check(shop)
        async with opened() as access:
            if not unchecked:
                await confirm_token(access, shop)
            await access.shops.add(shop)
        console().print(f"Shop {org} ({shop.name}) is added. Next: tagger subscription add {org}")

    run(work())


@app.command("list")
def list_shops(as_json: AsJson = False) -> None:
    """Every shop: its API, its zone, its rules' version, and whether it is paused."""

    async def work() -> None:
        async with opened() as access:
            shops = [await access.shops.require(org) for org in await access.shops.orgs()]
            versions = [await access.versions.live_number(shop.org) for shop in shops]
        rows = [row_of(shop, version) for shop, version in zip(shops, versions, strict=True)]
        if as_json:
            print_json(rows)
            return
        print_table(
            ("shop", "name", "API", "zone", ">rules", "state"),
            [
                (
                    row["org"],
                    row["name"],
                    f"{row['dialect']}  {row['api_url']}",
                    row["timezone"],
                    row["version"],
                    state_of(row),
                )
                for row in rows
            ],
            empty="There is no shop yet. Add one: tagger shops add ORG",
        )

    run(work())


@app.command()
def remove(
    org: Org,
    keep_data: Annotated[
        bool,
        typer.Option(
            "--keep-data", help="Forget only token and settings; ownership, history and rules stay."
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove a shop. Tags in Haravan stay as they are."""

    async def work() -> None:
        async with opened() as access:
            shop = await access.shops.require(org_id(org))
            if not keep_data:
                errors().print(
                    f"Everything stored of shop {org} ({shop.name}) is erased: rules, history, and which tags are ours. "
                    "Added again later, the shop's tags count as put by hand and are not removed."
                )
            if not yes and typer.prompt(f"Type {org} to remove it", err=True) != org:
                console().print("Nothing was removed.")
                raise typer.Exit(1)
            await access.shops.remove(shop.org, erase=not keep_data)
        console().print(f"Shop {org} is removed." + (" Its data stays." if keep_data else ""))

    run(work())


@app.command()
def token(org: Org, token_stdin: FromStdin = False, unchecked: Unchecked = False) -> None:
    """Replace a shop's access token. A pause for a refused token ends."""

    async def work() -> None:
        async with opened() as access:
            shop = await access.shops.require(org_id(org))
            given = read_secret("Access token", from_stdin=token_stdin)
            if not unchecked:
                await confirm_token(access, replace(shop, token=given))
            await access.shops.set_token(shop.org, given)
        console().print(f"Shop {org} has a new token.")

    run(work())


@app.command()
def secret(org: Org, token_stdin: FromStdin = False) -> None:
    """Set the secret of webhooks made in the shop's own admin (app webhooks need none)."""

    async def work() -> None:
        async with opened() as access:
            await access.shops.require(org_id(org))
            await access.shops.set_secret(org_id(org), read_secret("Webhook secret", from_stdin=token_stdin))
        console().print(f"Shop {org} has its own webhook secret.")

    run(work())


@app.command()
def pause(org: Org, reason: Annotated[str, typer.Option(help="Shown to everyone.")] = "by hand") -> None:
    """Stop a shop's work. Webhooks are still taken and nothing is lost."""

    async def work() -> None:
        async with opened() as access:
            shop = await access.shops.require(org_id(org))
            await access.shops.pause(shop.org, reason=reason, by=me())
        console().print(f"Shop {org} is paused. Go on with: tagger shops resume {org}")

    run(work())


@app.command()
def resume(
    org: Org,
    removals: Annotated[
        bool, typer.Option("--removals", help="Take off the brake on removals as well.")
    ] = False,
) -> None:
    """Let a paused shop work again."""

    async def work() -> None:
        async with opened() as access:
            shop = await access.shops.require(org_id(org))
            await access.shops.resume(shop.org)
            if removals:
                await access.shops.resume_removals(shop.org)
            still = shop.removals_paused and not removals
        console().print(
            f"Shop {org} works." + (" Removals are still paused: --removals resumes them." if still else "")
        )

    run(work())


shadow_mode.add_to(app)


def _dialect(text: str) -> Dialect:
    from service.errors import Refused

    match text:
        case "omni" | "admin":
            return text
    raise Refused("the dialect is omni or admin")
