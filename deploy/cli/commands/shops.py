"""`tagger shops`: add, list, change, pause and remove shops."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from deploy.cli.commands import freeze, publishing
from deploy.cli.commands import shadow as shadow_mode
from deploy.cli.context import AsJson, Org, ask_haravan, open_context, run
from deploy.cli.inputs import current_actor, read_secret
from deploy.cli.output import (
    format_shop_state,
    print_json,
    print_note,
    print_sentence,
    print_table,
    shop_row,
)
from deploy.cli.wording import headings, translate
from service.sentence import Sentence

if TYPE_CHECKING:
    from service.store.shops import Dialect, TokenAnswer

app = typer.Typer(
    help="Shops: add, list, remove, replace a token, pause, resume, first look, shadow mode, freeze.",
    no_args_is_help=True,
)

ACCESS_TOKEN: Final = Sentence("Access token")
WEBHOOK_SECRET: Final = Sentence("Webhook secret")

FromStdin = Annotated[
    bool, typer.Option("--token-stdin", help="Read the secret from stdin instead of asking.")
]
Unchecked = Annotated[bool, typer.Option("--unchecked", help="Do not check the token at Haravan.")]


@app.command()
def add(
    org: Org,
    name: Annotated[str, typer.Option(help="The shop's name.")] = "",
    dialect: Annotated[
        str, typer.Option(help="omni (today's API) or admin (the older one). Default: as the address says.")
    ] = "",
    api_url: Annotated[
        str,
        typer.Option(
            help="The address of its API. The older API: https://SHOP.myharavan.com/admin. Default: HARAVAN_API_URL"
        ),
    ] = "",
    timezone: Annotated[str, typer.Option(help="The shop's time zone.")] = "Asia/Ho_Chi_Minh",
    currency: Annotated[str, typer.Option(help="The shop's currency.")] = "VND",
    reserve: Annotated[
        int,
        typer.Option(
            min=0,
            max=30,
            help="How many of the 80 calls in the API bucket to leave to the merchant's other apps.",
        ),
    ] = 0,
    shadow: Annotated[bool, typer.Option(help="Shadow mode: record decisions, write nothing.")] = False,
    token_stdin: FromStdin = False,
    unchecked: Unchecked = False,
) -> None:
    """Add a shop. Its access token is read from a prompt or from stdin, and checked at Haravan."""
    from service.operations import add_shop
    from service.store.shops import Shop, dialect_of

    async def work() -> None:
        async with open_context() as cli:
            address = (api_url or cli.settings.api_url).rstrip("/")
            shop = Shop(
                org=org,
                name=name or f"Shop {org}",
                dialect=_dialect(dialect) if dialect else dialect_of(address),
                api_url=address,
                token=read_secret(ACCESS_TOKEN, from_stdin=token_stdin),
                timezone=timezone,
                currency=currency,
                reserve=reserve,
                shadow=shadow,
            )

            async def ask(candidate: Shop) -> TokenAnswer:
                print_note(
                    "Checking the token at {address} ({dialect} API).", address=address, dialect=shop.dialect
                )
                return await ask_haravan(cli)(candidate)

            await add_shop(cli.context, shop, ask=None if unchecked else ask, by=current_actor())
        print_sentence(
            "Shop {org} ({name}) was added: {dialect} API at {address}. Next: tagger subscription add {org}, "
            "tagger rules publish {org} FILE, tagger backfill {org}",
            org=org,
            name=shop.name,
            dialect=shop.dialect,
            address=address,
        )

    run(work())


@app.command("list")
def list_shops(as_json: AsJson = False) -> None:
    """List all shops with their API, time zone, rules version and state."""

    async def work() -> None:
        async with open_context() as cli:
            shops = [await cli.shops.describe(org) for org in await cli.shops.orgs()]
            versions = [await cli.versions.live_number(shop.org) for shop in shops]
            now_ms = await cli.context.now_ms()
        rows = [shop_row(shop, version, now_ms=now_ms) for shop, version in zip(shops, versions, strict=True)]
        if as_json:
            print_json(rows)
            return
        print_table(
            headings("shop", "name", "API", "zone", ">rules version", "state"),
            [
                (
                    row["org"],
                    row["name"],
                    row["dialect"],
                    row["timezone"],
                    row["version"],
                    format_shop_state(row),
                )
                for row in rows
            ],
            empty=translate("There is no shop yet. Add one: tagger shops add ORG"),
        )

    run(work())


@app.command()
def remove(
    org: Org,
    keep_data: Annotated[
        bool,
        typer.Option(
            "--keep-data", help="Delete only token and settings; keep ownership, history and rules."
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
) -> None:
    """Remove a shop. Tags in Haravan are not changed."""
    from service.operations import remove_shop

    async def work() -> None:
        async with open_context() as cli:
            shop = await cli.shops.describe(org)
            if not keep_data:
                print_note(
                    "This deletes everything stored about shop {org} ({name}): rules, history, and which tags are ours. "
                    "If you add the shop again later, its tags count as added by hand and are not removed.",
                    org=org,
                    name=shop.name,
                )
            if not yes and typer.prompt(translate("Type {what} to confirm", what=org), err=True) != org:
                print_sentence("Nothing was removed.")
                raise typer.Exit(1)
            await remove_shop(cli.context, shop.org, erase=not keep_data, by=current_actor())
        print_sentence("Shop {org} was removed.", org=org)
        if keep_data:
            print_sentence("Its data was kept.")

    run(work())


@app.command()
def token(org: Org, token_stdin: FromStdin = False, unchecked: Unchecked = False) -> None:
    """Replace a shop's access token. This ends a pause caused by a rejected token."""
    from service.operations import replace_token

    async def work() -> None:
        async with open_context() as cli:
            shop = await cli.shops.describe(org)
            new_token = read_secret(ACCESS_TOKEN, from_stdin=token_stdin)
            ask = None if unchecked else ask_haravan(cli)
            await replace_token(cli.context, shop.org, new_token, ask=ask, by=current_actor())
        print_sentence("Shop {org} has a new token.", org=org)

    run(work())


@app.command()
def secret(org: Org, token_stdin: FromStdin = False) -> None:
    """Set the secret of webhooks that were created in the shop's admin. Webhooks of an app do not need it."""
    from service.operations import replace_webhook_secret

    async def work() -> None:
        async with open_context() as cli:
            shop = await cli.shops.describe(org)
            new_secret = read_secret(WEBHOOK_SECRET, from_stdin=token_stdin)
            await replace_webhook_secret(cli.context, shop.org, new_secret, by=current_actor())
        print_sentence("Shop {org} has its own webhook secret.", org=org)

    run(work())


@app.command()
def pause(
    org: Org, reason: Annotated[str, typer.Option(help="The reason, shown in the list of shops.")] = "by hand"
) -> None:
    """Pause a shop. Webhooks are still accepted, and nothing is lost."""
    from service.operations import pause_shop

    async def work() -> None:
        async with open_context() as cli:
            shop = await cli.shops.describe(org)
            await pause_shop(cli.context, shop.org, reason=reason, by=current_actor())
        print_sentence("Shop {org} is paused. Resume: tagger shops resume {org}", org=org)

    run(work())


@app.command()
def resume(
    org: Org,
    removals: Annotated[
        bool, typer.Option("--removals", help="Also resume removals that the removal guard paused.")
    ] = False,
) -> None:
    """Resume a paused shop. After a rejected token, the token is checked first."""
    from service.operations import resume_shop

    async def work() -> None:
        async with open_context() as cli:
            shop = await cli.shops.describe(org)
            await resume_shop(
                cli.context, shop.org, removals=removals, ask=ask_haravan(cli), by=current_actor()
            )
            removals_still_paused = shop.removals_paused and not removals
        print_sentence("Shop {org} is active.", org=org)
        if removals_still_paused:
            print_sentence("Removals are still paused: --removals resumes them.")

    run(work())


app.command()(publishing.approve)
shadow_mode.add_to(app)
freeze.add_to(app)


def _dialect(text: str) -> Dialect:
    from service.errors import Refused

    match text:
        case "omni" | "admin":
            return text
    raise Refused(Sentence("the dialect must be omni or admin"))
