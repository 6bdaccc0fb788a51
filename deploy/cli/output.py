"""What commands print: tables for people, JSON for scripts. Personal data is masked in both."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final
from zoneinfo import ZoneInfo

import typer

from deploy.cli.wording import headings, translate, translator
from deploy.local import console, error_console, visible
from service.sentence import Sentence

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from service.store.shops import Shop

EMPTY: Final = "–"
COLUMN_GAP: Final = 2
FIRST_LOOK_STATES: Final = {
    "pending": Sentence("first look: not all customers have been read"),
    "waiting": Sentence("first look: waits for an approval"),
    "complete": Sentence("active"),
}
PERSONAL_FIELDS: Final = frozenset({"email", "phone", "address1", "address2", "zip", "company"})

ShowPersonal = Annotated[
    bool, typer.Option("--show-personal", help="Print e-mail, phone and address unmasked.")
]


def print_sentence(english: str, /, **params: object) -> None:
    """Print a sentence on stdout, in the language of the command."""
    console().print(translate(english, **params))


def print_note(english: str, /, **params: object) -> None:
    """Print a sentence on stderr, in the language of the command, so that scripts can read stdout."""
    error_console().print(translate(english, **params))


def print_json(value: object) -> None:
    """Print one JSON document on stdout. Decimal amounts are printed with all their digits."""
    import msgspec

    encoded = msgspec.json.Encoder(enc_hook=str, decimal_format="number").encode(value)
    sys.stdout.write(msgspec.json.format(encoded, indent=2).decode() + "\n")


def print_table(headings: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """Print a table, or the sentence `empty` if there are no rows. A heading that begins with > is right-aligned.

    In a pipe every row is one line. On a terminal long cells are wrapped between words; a word, such as an id, is
    never broken.
    """
    from rich import box
    from rich.table import Table

    cells = [[_cell(cell) for cell in row] for row in rows]
    if not cells:
        console().print(empty)
        return
    names = [heading.removeprefix(">") for heading in headings]
    widths = _column_widths([[_cell(name) for name in names], *cells])
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True, show_edge=False)
    for heading, name, width in zip(headings, names, widths, strict=True):
        table.add_column(name, justify="right" if heading.startswith(">") else "left", width=width)
    for row in cells:
        table.add_row(*row)
    with _wide_enough(sum(widths) + COLUMN_GAP * (len(widths) - 1)) as target:
        target.print(table)


@contextmanager
def _wide_enough(width: int) -> Iterator[Console]:
    """The console, which believes that it is at least this wide. Otherwise rich breaks words."""
    target = console()
    before = target.width
    target.width = max(before, width)
    try:
        yield target
    finally:
        target.width = before


def _cell(value: object) -> Text:
    from rich.text import Text

    return value if isinstance(value, Text) else Text(EMPTY if value in (None, "") else visible(str(value)))


def _column_widths(rows: Sequence[Sequence[Text]]) -> list[int]:
    """The width of each column. If the terminal is too narrow, the widest columns shrink, down to their longest word."""
    from rich.cells import cell_len

    columns = list(zip(*rows, strict=True))
    widths = [max(cell_len(cell.plain) for cell in column) for column in columns]
    longest_words = [
        max((cell_len(word) for cell in column for word in cell.plain.split()), default=1)
        for column in columns
    ]
    excess = sum(widths) + COLUMN_GAP * (len(widths) - 1) - console().width
    while console().is_terminal and excess > 0:
        shrinkable = [index for index, width in enumerate(widths) if width > longest_words[index]]
        if not shrinkable:
            break
        widths[max(shrinkable, key=lambda index: widths[index])] -= 1
        excess -= 1
    return widths


def print_records(
    records: Sequence[dict[str, Any]], *, currency: str, as_json: bool, show_personal: bool
) -> None:
    """Print customers as a table or as JSON. `currency` is the shop's."""
    shown = [record if show_personal else mask_record(record) for record in records]
    if as_json:
        print_json(shown)
        return
    print_table(
        headings(">id", "name", ">spent", ">orders", "current tags", "e-mail", "phone"),
        [
            (
                record.get("id"),
                format_name(record),
                format_amount(record.get("total_spent"), currency),
                record.get("orders_count"),
                record.get("tags"),
                record.get("email"),
                record.get("phone"),
            )
            for record in shown
        ],
        empty=translate("No customers found."),
    )


def print_record(record: dict[str, Any], *, as_json: bool, show_personal: bool) -> None:
    """Print one customer: each field that has a value, or JSON."""
    shown = record if show_personal else mask_record(record)
    if as_json:
        print_json(shown)
        return
    width = max(map(len, shown), default=0)
    for key, value in shown.items():
        if value not in (None, "", [], {}):
            console().print(f"{key:<{width}}  {_format_value(value)}")


def format_time(ms: int | None, zone: str = "") -> str:
    """A time to the second with its offset, as `--since` takes it, in a shop's zone; "" is this machine's zone."""
    if not ms:
        return EMPTY
    moment = datetime.fromtimestamp(ms / 1000, tz=UTC).astimezone(ZoneInfo(zone) if zone else None)
    return moment.isoformat(sep=" ", timespec="seconds")


def format_name(record: Mapping[str, Any]) -> str:
    """The Vietnamese order: last name, first name."""
    return " ".join(str(record[key]) for key in ("last_name", "first_name") if record.get(key))


def format_amount(value: Any, currency: str) -> str:
    """An amount as Haravan sent it, in the format of the language: `5.559.000 ₫`. Other values are printed as they are."""
    from service.domain.customers import exact_decimal, to_ten_thousandths

    if value in (None, ""):
        return ""
    try:
        return translator().money(to_ten_thousandths(exact_decimal(str(value))), currency)
    except ValueError:
        return str(value)


def shop_row(shop: Shop, version: int, *, now_ms: int) -> dict[str, object]:
    """A shop for tables and scripts, without its token."""
    return {
        "org": shop.org,
        "name": shop.name,
        "dialect": shop.dialect,
        "api_url": shop.api_url,
        "timezone": shop.timezone,
        "currency": shop.currency,
        "reserve": shop.reserve,
        "shadow": shop.shadow,
        "own_secret": bool(shop.secret),
        "version": version or None,
        "paused": shop.paused,
        "paused_since_ms": shop.paused_since_ms or None,
        "paused_by": shop.paused_by,
        "removals_paused": shop.removals_paused,
        "first_look": shop.first_look,
        "freeze": None
        if shop.freeze is None
        else {
            "first": shop.freeze.first.isoformat(),
            "last": shop.freeze.last.isoformat(),
            "by": shop.freeze.by,
            "state": shop.freeze.state(now_ms),
        },
    }


def format_shop_state(row: Mapping[str, object]) -> str:
    """Active, paused, frozen, removals paused, or in shadow mode."""
    if row["paused"]:
        since_ms = row["paused_since_ms"]
        return translate(
            "paused since {since}: {reason} ({by})",
            since=format_time(since_ms if isinstance(since_ms, int) else None, str(row["timezone"])),
            reason=row["paused"],
            by=row["paused_by"],
        )
    if row["removals_paused"]:
        return translate("removals paused: {reason}", reason=row["removals_paused"])
    if row["shadow"]:
        return translate("shadow mode: nothing is written")
    state = FIRST_LOOK_STATES[str(row["first_look"])].text(translator())
    freeze = row["freeze"]
    if not isinstance(freeze, Mapping):
        return state
    words = translator()
    first, last = words.day(str(freeze["first"])), words.day(str(freeze["last"]))
    match freeze["state"]:
        case "active":
            return translate("frozen until {last}: nothing is written", last=last)
        case "waiting":
            return translate("frozen since {first}: the changes wait for an approval", first=first)
    return translate("{state}; frozen from {first} to {last}", state=state, first=first, last=last)


def mask_record(record: Mapping[str, Any]) -> dict[str, Any]:
    """A customer's record with e-mail, phone and addresses masked. Names stay, because people search by them."""
    return {key: _mask_value(key, value) for key, value in record.items()}


def mask(text: str) -> str:
    """Only the last three characters, or nothing of a text of six characters or less."""
    return "•••" + (text[-3:] if len(text) > 6 else "")


def mask_email(address: str) -> str:
    """Only the first character and the domain."""
    name, _, domain = address.rpartition("@")
    return f"{name[:1]}•••@{domain}"


def _mask_value(key: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return mask_record(value)
    if isinstance(value, list):
        return [_mask_value(key, item) for item in value]
    if key in PERSONAL_FIELDS and isinstance(value, str) and value:
        return mask_email(value) if "@" in value else mask(value)
    return value


def _format_value(value: Any) -> str:
    import msgspec

    if isinstance(value, dict | list):
        return msgspec.json.Encoder(decimal_format="number").encode(value).decode()
    return str(value)
