"""What commands print: tables for people, JSON for scripts, and personal data masked in both."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from rich.console import Console

EMPTY: Final = "–"
_COMMANDS: Final = dict.fromkeys([*range(9), *range(11, 32), *range(127, 160)], "\ufffd")


@cache
def console() -> Console:
    """The terminal; rich leaves colours out by itself where there is none or NO_COLOR asks for it."""
    return _terminal()


@cache
def errors() -> Console:
    """The same for stderr: progress and questions, so that stdout stays readable by a script."""
    return _terminal(stderr=True)


def _terminal(*, stderr: bool = False) -> Console:
    from rich.console import Console

    class Terminal(Console):
        """Shows texts as they are: names, notes and tags are written by anybody, and may look like markup."""

        def print(self, *objects: Any, **how: Any) -> None:
            super().print(*(visible(one) if isinstance(one, str) else one for one in objects), **how)

    return Terminal(stderr=stderr, highlight=False, markup=False, emoji=False)


def visible(text: str) -> str:
    """The text without what would command the terminal instead of being shown by it."""
    return text.translate(_COMMANDS)


def print_json(value: object) -> None:
    """One JSON document on stdout; amounts are numbers, as exact as they are."""
    import msgspec

    packed = msgspec.json.Encoder(enc_hook=str, decimal_format="number").encode(value)
    sys.stdout.write(msgspec.json.format(packed, indent=2).decode() + "\n")


def print_table(headings: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """A table, or the sentence `empty` when there is nothing in it. A heading that begins with > is right-aligned."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        table.add_column(
            heading.removeprefix(">"), justify="right" if heading.startswith(">") else "left", overflow="fold"
        )
    for row in rows:
        table.add_row(
            *(
                cell if isinstance(cell, Text) else Text(EMPTY if cell in (None, "") else visible(str(cell)))
                for cell in row
            )
        )
    if table.row_count:
        console().print(table)
    else:
        console().print(empty)


def counted(number: int, thing: str) -> str:
    """`1 customer`, `2 customers`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def moment(ms: int | None) -> str:
    """A moment in this machine's own zone, to the second."""
    if not ms:
        return EMPTY
    return datetime.fromtimestamp(ms / 1000, tz=UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def masked(record: Mapping[str, Any]) -> dict[str, Any]:
    """A customer's record with e-mail, phone and addresses masked; names stay, people are searched by them."""
    return {key: _mask(key, value) for key, value in record.items()}


PERSONAL: Final = frozenset({"email", "phone", "address1", "address2", "zip", "company"})


def _mask(key: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return masked(value)
    if isinstance(value, list):
        return [_mask(key, item) for item in value]
    if key in PERSONAL and isinstance(value, str) and value:
        return mask_email(value) if "@" in value else mask(value)
    return value


def mask(text: str) -> str:
    """The last three characters of a long text, nothing of a short one."""
    return "•••" + (text[-3:] if len(text) > 6 else "")


def mask_email(address: str) -> str:
    """The first character and the domain."""
    name, _, domain = address.rpartition("@")
    return f"{name[:1]}•••@{domain}"
