"""`tagger keys`: rotate SECRET_KEY."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.context import AsJson, open_context, run
from deploy.cli.inputs import current_actor
from deploy.cli.output import print_json, print_table
from deploy.cli.wording import headings, translate
from deploy.local import console

if TYPE_CHECKING:
    from service.store.encryption import KeyStatus

app = typer.Typer(help="SECRET_KEY: change it without losing anything.", no_args_is_help=True)


@app.command()
def status(as_json: AsJson = False) -> None:
    """Show which key wraps how many data keys, by fingerprint. Exits with 1 while a key other than the first is in use."""
    from service.store.encryption import key_status

    async def work() -> KeyStatus:
        async with open_context() as cli:
            return await key_status(cli.redis, cli.shops.keyring)

    _print_status(run(work()), as_json=as_json)


@app.command()
def rotate(
    delete_unreadable: Annotated[
        bool,
        typer.Option(
            "--delete-unreadable",
            help="Also delete data keys that no key of SECRET_KEY opens. What they sealed is lost for good.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Wrap the data keys of all shops with the first key of SECRET_KEY, while web and workers run."""
    from service.operations import rotate_keys

    async def work() -> KeyStatus:
        async with open_context() as cli:
            return await rotate_keys(cli.context, by=current_actor(), delete_unreadable=delete_unreadable)

    _print_status(run(work()), as_json=as_json)


def _print_status(status: KeyStatus, *, as_json: bool) -> None:
    if as_json:
        import msgspec

        print_json(msgspec.to_builtins(status))
    else:
        print_table(
            headings("key", "in SECRET_KEY", ">data keys", ">shops"),
            [
                (use.fingerprint, _position(use.position), use.data_keys, len(use.shops))
                for use in status.keys
            ],
            empty=translate("SECRET_KEY is not set, and no shop has a data key."),
        )
        for sentence in _sentences(status):
            console().print(sentence)
    if status.left:
        raise typer.Exit(1)


def _position(position: int) -> str:
    if position > 1:
        return translate("number {position}", position=position)
    return translate("first") if position else translate("no")


def _sentences(status: KeyStatus) -> list[str]:
    old = [use.fingerprint for use in status.keys if use.position > 1 and use.data_keys]
    sentences = []
    if old:
        sentences.append(
            translate(
                "{keys} is still in use: keep it in SECRET_KEY and run `tagger keys rotate`.",
                keys=", ".join(old),
            )
        )
    if status.unreadable:
        orgs = ", ".join(status.unreadable)
        sentences.append(
            translate(
                "No key of SECRET_KEY opens a data key of {orgs}. Put its key back behind the others, or if it is lost, "
                "store the token again (tagger shops token ORG) and the shop's own webhook secret (tagger shops secret "
                "ORG), run `tagger backfill ORG`, then `tagger keys rotate --delete-unreadable`.",
                orgs=orgs,
            )
        )
    if not sentences:
        sentences.append(translate("Only the first key is in use."))
        if len(status.keys) > 1:
            sentences.append(translate("The others may be removed from SECRET_KEY."))
    return sentences
