"""What the demo prints. Readable with 80 columns and without colours, on a terminal and in a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from statistics import median, quantiles
from typing import Final

from rich.cells import cell_len
from rich.console import Console
from rich.live import Live
from rich.text import Text

from deploy.demonstration.environment import DemoEnvironment
from deploy.demonstration.expected import Mismatch
from deploy.demonstration.observer import EventResult, Stats
from service.domain.customers import TEN_THOUSANDTHS, Customer
from service.domain.explain import Translator
from service.domain.rules import RuleSet
from service.locales import translator_for
from service.store.history import LedgerEntry, LedgerRow

INDENT: Final = " " * 10
NAME_CELLS: Final = 24
MAX_MISMATCHES: Final = 10  # how many to print
LABELS: Final[Mapping[str, str]] = {
    "total_spent": "spent",
    "avg_order_value": "average order",
    "orders_count": "orders",
    "last_order_date": "last order",
    "accepts_marketing": "newsletter",
    "created_at": "customer since",
}
MONEY_FIELDS: Final = frozenset({"total_spent", "avg_order_value"})


class Screen:
    """Lines of output, and on a terminal a status line below them."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None

    @property
    def is_terminal(self) -> bool:
        """Whether the output is a terminal. Other outputs get no status line."""
        return self._console.is_terminal

    def heading(self) -> None:
        self._print(Text("haravan-tagger", style="bold"), Text(" · the demo"))
        self.plain(
            "A simulated Haravan shop and the real service, with real signed HTTP requests between them. "
            "Nothing leaves this machine."
        )
        self._console.print()

    def ready(self, part: str, description: str, address: str) -> None:
        """One part of the environment is ready."""
        self._print(Text("  ✔ ", style="green"), Text(f"{part:<10}", style="bold"), Text(description))
        if address:
            # the terminal wraps it, so that a long link can be copied whole
            self._console.print(Text(" " * 14 + address, style="cyan"), soft_wrap=True)

    def plain(self, text: str) -> None:
        """A paragraph."""
        self._console.print(Text(text))

    def command(self, command: str) -> None:
        """A command for the user to type."""
        self._print(Text("  $ ", style="dim"), Text(command, style="cyan"))

    def fact(self, name: str, value: str) -> None:
        """One line of the summary."""
        self._print(Text(f"{name:<16}", style="bold"), Text(value))

    def blank(self) -> None:
        self._console.print()

    def show_event(self, at_s: float, who: str, what: str) -> None:
        """Print an event in the shop."""
        at = Text(datetime.fromtimestamp(at_s).astimezone().strftime("%H:%M:%S  "), style="dim")
        self._print(at, Text(_padded(who), style="bold"), Text(what))

    def show_result(self, result: EventResult, reasons: Reasons) -> None:
        """Print what the service did after an event."""
        lead = f"{result.after_s:6.2f} s  " if result.after_s is not None else INDENT
        if result.after_s is None:
            self._print(Text(lead), Text("is still in the queue", style="yellow"))
        elif not result.written:
            self._print(Text(lead, style="cyan"), Text("nothing to change", style="dim"))
        for row in result.written:
            self._show_write(row, reasons, lead=lead)
            lead = INDENT

    def _show_write(self, row: LedgerRow, reasons: Reasons, *, lead: str = INDENT) -> None:
        """Print one tag that was written, and why."""
        entry = row.entry
        sign, style = ("+", "green") if entry.action == "+" else ("−", "red")
        self._print(
            Text(lead, style="cyan"),
            Text(_padded(f"{sign} {entry.tag}"), style=style),
            Text(reasons.why(entry), style="dim"),
        )

    def verdict(self, text: str, *, good: bool) -> None:
        self._print(Text("✔ " if good else "✘ ", style="bold green" if good else "bold red"), Text(text))

    @contextmanager
    def status_line(self) -> Iterator[None]:
        """On a terminal, keep a status line below all other output inside this block."""
        if not self.is_terminal:
            yield
            return
        with Live(console=self._console, auto_refresh=False, transient=True) as live:
            self._live = live
            try:
                yield
            finally:
                self._live = None

    def update_status(self, parts: Sequence[str]) -> None:
        """Replace the text of the status line."""
        if self._live is not None:
            self._live.update(Text(" · ".join(parts), style="reverse"), refresh=True)

    def _print(self, *parts: Text) -> None:
        """Print one line. What does not fit continues below, indented like the text."""
        line = Text.assemble(*parts)
        indent = sum(cell_len(part.plain) for part in parts[:-1])
        width = max(20, self._console.width - indent)
        if cell_len(line.plain) <= self._console.width or len(parts) < 2:
            self._console.print(line)
            return
        first, *rest = parts[-1].wrap(self._console, width)
        self._console.print(Text.assemble(*parts[:-1], first))
        for line in rest:
            self._console.print(Text.assemble(" " * indent, line))


def _padded(text: str) -> str:
    """The text padded to the width of a column, in terminal cells."""
    return text + " " * max(2, NAME_CELLS - cell_len(text))


@dataclass(slots=True)
class Latencies:
    """Seconds from an event to the first write: during the first evaluation, and afterwards."""

    busy: list[float] = field(default_factory=list)
    idle: list[float] = field(default_factory=list)


def status_parts(environment: DemoEnvironment, stats: Stats, *, waiting: int) -> list[str]:
    """The parts of the status line."""
    shop = environment.haravan.shop
    return [
        f" {waiting} customers waiting" if waiting else " all customers evaluated",
        f"+{stats.added} −{stats.removed} tags",
        f"{shop.calls.count()} API calls, bucket {shop.bucket.header(shop.clock())}",
        "Ctrl-C stops ",
    ]


def print_summary(screen: Screen, environment: DemoEnvironment, stats: Stats, latencies: Latencies) -> None:
    """Print the statistics of the run."""
    calls, sent = environment.haravan.calls, environment.haravan.deliveries.log
    reads = sum(count for endpoint, count in calls.by_endpoint().items() if endpoint.startswith("GET"))
    screen.blank()
    screen.fact("Tags", f"{stats.added} added, {stats.removed} removed, on {len(stats.customers)} customers")
    screen.fact(
        "Webhooks",
        f"{sum(attempt.status == 200 for attempt in sent)} of {len(sent)} answered 200; "
        f"{stats.echoes} echoes of our own writes, which cost no API call",
    )
    screen.fact(
        "API calls",
        f"{calls.count()}: {reads} reads, {calls.count() - reads} writes; {calls.count(status=429)} rejected (429)",
    )
    for name, seconds in (("at first:", latencies.busy), ("later:   ", latencies.idle)):
        if seconds:
            screen.fact("Webhook to tag", f"{name} {_distribution(seconds)}")


def _distribution(seconds: Sequence[float]) -> str:
    p95 = quantiles(seconds, n=20, method="inclusive")[-1] if len(seconds) > 1 else seconds[0]
    return f"median {median(seconds):.2f} s, 95 % within {p95:.2f} s, maximum {max(seconds):.2f} s"


def print_verdict(screen: Screen, mismatches: Sequence[Mismatch], *, customers: int, is_idle: bool) -> int:
    """Print whether all tags are correct. Returns the exit code."""
    screen.blank()
    if not is_idle:
        screen.verdict("Not all customers were evaluated: there is no progress any more.", good=False)
    for mismatch in mismatches[:MAX_MISMATCHES]:
        missing = f"lacks {', '.join(mismatch.missing)}" if mismatch.missing else ""
        unexpected = f"must not have {', '.join(mismatch.unexpected)}" if mismatch.unexpected else ""
        screen.verdict(
            f"customer {mismatch.customer} {' and '.join(filter(None, (missing, unexpected)))}", good=False
        )
    if mismatches:
        screen.verdict(f"{len(mismatches)} of {customers} customers have wrong tags.", good=False)
    if mismatches or not is_idle:
        return 1
    screen.verdict(f"The tags of all {customers} customers equal a from-scratch evaluation.", good=True)
    return 0


@cache
def _vietnamese() -> Translator:
    return translator_for("vi")


def format_vnd(amount: int) -> str:
    """An amount in the Vietnamese format: 2.450.000 ₫."""
    return _vietnamese().money(amount * TEN_THOUSANDTHS, "VND")


def name_of(customer: Customer) -> str:
    """The Vietnamese order: last name, first name."""
    return (
        " ".join(part for part in (customer.last_name, customer.first_name) if part)
        or f"customer {customer.id}"
    )


class Reasons:
    """Explains a tag write with the values in the ledger."""

    def __init__(self, rule_set: RuleSet) -> None:
        rules = {rule.id: _name(rule.name, rule.id) for rule in rule_set.rules}
        self._names = rules | {tier.id: _name(tier.name, tier.id) for tier in rule_set.tiers}

    def why(self, entry: LedgerEntry) -> str:
        """`VIP customer: spent 10.400.000 ₫`."""
        values = (_value(field, value) for field, value in entry.values.items() if value != [])
        text = ", ".join(values)
        rule = self._names.get(entry.rule, entry.rule)
        return f"{rule}: {text}" if text else rule


def _name(name: object, default: str) -> str:
    """A rule's name: the English one if there is one, because the demo is in English."""
    if name is None:
        return default
    return str(getattr(name, "en", None) or getattr(name, "vi", None) or name)


def _value(field: str, value: object) -> str:
    label = LABELS.get(field, field.replace("_", " "))
    match value:
        case None | "":
            return f"no {label}"
        case bool():
            return f"{label} {'yes' if value else 'no'}"
        case int() if field in MONEY_FIELDS:
            return f"{label} {format_vnd(value // TEN_THOUSANDTHS)}"
        case list():
            return f"{label} {', '.join(map(str, value))}"
    return f"{label} {value}"
