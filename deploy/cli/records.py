"""Customers' records on the terminal: a table, one record line by line, or the JSON as Haravan sent it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from deploy.cli.output import console, masked, print_table

ShowPersonal = Annotated[
    bool, typer.Option("--show-personal", help="Print e-mail, phone and address as they are.")
]


def print_records(found: Sequence[dict[str, Any]], *, as_json: bool, show_personal: bool) -> None:
    """Many customers."""
    shown = [each if show_personal else masked(each) for each in found]
    if as_json:
        print_raw(shown)
        return
    print_table(
        (">id", "name", ">spent", ">orders", "tags", "e-mail", "phone"),
        [
            (
                each.get("id"),
                name_of(each),
                amount(each.get("total_spent")),
                each.get("orders_count"),
                each.get("tags"),
                each.get("email"),
                each.get("phone"),
            )
            for each in shown
        ],
        empty="No customer.",
    )


def print_record(found: dict[str, Any], *, as_json: bool, show_personal: bool) -> None:
    """One customer: the fields that have a value."""
    shown = found if show_personal else masked(found)
    if as_json:
        print_raw(shown)
        return
    width = max(map(len, shown), default=0)
    for key, value in shown.items():
        if value not in (None, "", [], {}):
            console().print(f"{key:<{width}}  {_written(value)}", soft_wrap=True)


def print_raw(value: Any) -> None:
    """JSON with every digit that Haravan sent."""
    import msgspec

    encoded = msgspec.json.Encoder(decimal_format="number").encode(value)
    sys.stdout.write(msgspec.json.format(encoded, indent=2).decode() + "\n")


def name_of(record: dict[str, Any]) -> str:
    """The name as Vietnamese write it: the family's first."""
    return " ".join(str(record[key]) for key in ("last_name", "first_name") if record.get(key))


def amount(value: Any) -> str:
    """An amount with dots between thousands, as Vietnamese write it."""
    if value in (None, ""):
        return ""
    try:
        return f"{float(value):,.0f}".replace(",", ".")
    except (TypeError, ValueError):
        return str(value)


def _written(value: Any) -> str:
    import msgspec

    if isinstance(value, dict | list):
        return msgspec.json.Encoder(decimal_format="number").encode(value).decode()
    return str(value)
