"""`tagger rules fields|schema|values`: what rules can be written with, and what a shop's customers have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.context import AsJson, Org, open_context, run
from deploy.cli.exit_codes import UsageError
from deploy.cli.output import print_json, print_table
from deploy.cli.wording import translator
from deploy.local import console
from service.sentence import Sentence

if TYPE_CHECKING:
    from service.domain.explain import Translator
    from service.domain.preview import FieldValues

MAX_ROWS = 100


def add_to(app: typer.Typer) -> None:
    """Add these commands to `tagger rules`."""
    for command in (fields, schema, values):
        app.command()(command)


def fields(
    field: Annotated[str, typer.Argument(metavar="[FIELD]", help="Show the operators of this field.")] = "",
    markdown: Annotated[
        bool,
        typer.Option("--markdown", help="Print all tables of the rule language, as in deploy/docs/rules.md."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the fields that rules can compare, their operators and their values. Needs no Redis."""
    from service.domain.documents import list_fields, markdown_tables

    words = translator()
    if markdown:
        typer.echo(markdown_tables(words), nl=False)
        return
    rows = list_fields(words)
    if field:
        _check_field(field)
        rows = [row for row in rows if row["name"] == field]
    if as_json:
        print_json(rows)
    elif field:
        print_table(
            [words("table.operator"), words("table.meaning"), words("table.value")],
            [[each["name"], each["meaning"], each["value"]] for each in rows[0]["operators"]],
            empty="",
        )
    else:
        print_table(
            [words("table.field"), words("table.label"), words("table.operators")],
            [
                [row["name"], row["label"], ", ".join(each["name"] for each in row["operators"])]
                for row in rows
            ],
            empty="",
        )


def schema() -> None:
    """Print the JSON Schema of rules files, for editors: completion and descriptions. Needs no Redis."""
    from service.domain.documents import json_schema

    print_json(json_schema(translator()))


def values(
    org: Org,
    field: Annotated[str, typer.Argument(metavar="FIELD", help="A field, such as province or tags.")],
    as_json: AsJson = False,
) -> None:
    """Show what the shop's customers have in a field, with counts.

    Personal texts are only counted. E-mail, phone and note are stored only while a live rule reads them.
    """
    from service.operations import load_field_values, values_to_dict

    _check_field(field)

    async def work() -> tuple[FieldValues, str]:
        async with open_context() as cli:
            shop = await cli.shops.get_or_raise(org)
            return await load_field_values(cli.context, shop, field), shop.currency

    found, currency = run(work())
    if as_json:
        print_json(values_to_dict(found))
    else:
        _print_values(found, translator(), currency=currency, org=org)


def _check_field(name: str) -> None:
    from service.domain.rules import FIELDS
    from service.domain.rules import did_you_mean as suggest

    if name not in FIELDS:
        hint = suggest(name, FIELDS)
        meant = hint if isinstance(hint, str) else hint.text(translator())
        missing = Sentence(
            "there is no field {name!r}{hint} List the fields: tagger rules fields",
            name=name,
            hint=meant or ".",
        )
        raise UsageError(missing)


def _print_values(found: FieldValues, words: Translator, *, currency: str, org: str) -> None:
    from service.domain.explain import format_value
    from service.domain.rules import FIELDS, FieldType

    field = FIELDS[found.field]

    def text(value: object) -> str:
        if field.is_personal:
            return words("values.filled")
        if field.type is FieldType.ANNIVERSARY and isinstance(value, int):
            return words.month(value)
        if field.type is FieldType.TAGS:
            return str(value)
        return format_value(field.name, value, translator=words, currency=currency)

    rows: list[tuple[str, str]] = []
    for name, value in zip(
        ("lowest", "quarter", "half", "three_quarters", "highest"), found.quartiles, strict=False
    ):
        rows.append((words(f"values.{name}"), text(value)))
    rows += [(text(value), words.number(count)) for value, count in list(found.counts.items())[:MAX_ROWS]]
    if found.empty:
        rows.append((words("values.empty"), words.number(found.empty)))
    heading = words("table.value") if found.quartiles else words("table.customers")
    label = words(f"field.{field.name}")
    print_table((label, f">{heading}"), rows, empty=words("values.none", org=org))
    hidden = len(found.counts) - MAX_ROWS
    if hidden > 0:
        console().print(f"… (+{words.number(hidden)})")
