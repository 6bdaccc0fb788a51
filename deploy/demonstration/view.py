"""What the demo prints. Readable with 80 columns and without colours, on a terminal and in a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
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
from service.sentence import Sentence
from service.store.history import LedgerEntry, LedgerRow

INDENT: Final = " " * 10
NAME_CELLS: Final = 24
MAX_MISMATCHES: Final = 10  # how many to print
PART_CELLS: Final = 10
FACT_CELLS: Final = 16
LABELS: Final[Mapping[str, Sentence]] = {
    "total_spent": Sentence("spent"),
    "avg_order_value": Sentence("average order"),
    "orders_count": Sentence("orders"),
    "last_order_date": Sentence("last order"),
    "accepts_marketing": Sentence("newsletter"),
    "created_at": Sentence("customer since"),
    "birthday": Sentence("birthday"),
    "province": Sentence("province"),
    "tags": Sentence("has the tags"),
}
MONEY_FIELDS: Final = frozenset({"total_spent", "avg_order_value"})


class Screen:
    """Lines of output in the language of `words`, and on a terminal a status line below them."""

    def __init__(self, console: Console, words: Translator) -> None:
        self.words = words
        self._console = console
        self._live: Live | None = None

    @property
    def is_terminal(self) -> bool:
        """Whether the output is a terminal. Other outputs get no status line."""
        return self._console.is_terminal

    def heading(self) -> None:
        self._print(Text("haravan-tagger", style="bold"), Text(f" · {self._say(Sentence('the demo'))}"))
        self.plain(
            Sentence(
                "A simulated Haravan shop and the real service, with real signed HTTP requests between them. "
                "Nothing leaves this machine."
            )
        )
        self._console.print()

    def ready(self, part: Sentence, description: Sentence, address: str) -> None:
        """One part of the environment is ready."""
        name = Text(_padded(self._say(part), PART_CELLS), style="bold")
        self._print(Text("  ✔ ", style="green"), name, Text(self._say(description)))
        if address:
            # the terminal wraps it, so that a long link can be copied whole
            self._console.print(Text(" " * 14 + address, style="cyan"), soft_wrap=True)

    def plain(self, text: Sentence) -> None:
        """A paragraph."""
        self.raw(self._say(text))

    def raw(self, text: str) -> None:
        """A text that is the same in every language."""
        self._console.print(Text(text))

    def command(self, command: str) -> None:
        """A command for the user to type."""
        self._print(Text("  $ ", style="dim"), Text(command, style="cyan"))

    def fact(self, name: Sentence, value: Sentence) -> None:
        """One line of the summary."""
        self._print(Text(_padded(self._say(name), FACT_CELLS), style="bold"), Text(self._say(value)))

    def blank(self) -> None:
        self._console.print()

    def show_event(self, at_s: float, who: Sentence | str, what: Sentence) -> None:
        """Print an event in the shop."""
        at = Text(datetime.fromtimestamp(at_s).astimezone().strftime("%H:%M:%S  "), style="dim")
        self._print(at, Text(_padded(self._say(who)), style="bold"), Text(self._say(what)))

    def show_result(self, result: EventResult, reasons: Reasons) -> None:
        """Print what the service did after an event."""
        lead = f"{result.after_s:6.2f} s  " if result.after_s is not None else INDENT
        if result.after_s is None:
            self._print(Text(lead), Text(self._say(Sentence("is still in the queue")), style="yellow"))
        elif not result.written:
            nothing = Text(self._say(Sentence("nothing to change")), style="dim")
            self._print(Text(lead, style="cyan"), nothing)
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

    def verdict(self, text: Sentence, *, good: bool) -> None:
        mark = Text("✔ " if good else "✘ ", style="bold green" if good else "bold red")
        self._print(mark, Text(self._say(text)))

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

    def update_status(self, parts: Sequence[Sentence]) -> None:
        """Replace the text of the status line."""
        if self._live is not None:
            text = " · ".join(map(self._say, parts))
            self._live.update(Text(f" {text} ", style="reverse"), refresh=True)

    def _say(self, text: Sentence | str) -> str:
        return text.text(self.words) if isinstance(text, Sentence) else text

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


def _padded(text: str, cells: int = NAME_CELLS) -> str:
    """The text padded to the width of a column, in terminal cells."""
    return text + " " * max(2, cells - cell_len(text))


@dataclass(slots=True)
class Latencies:
    """Seconds from an event to the first write: during the first evaluation, and afterwards."""

    busy: list[float] = field(default_factory=list)
    idle: list[float] = field(default_factory=list)


def status_parts(environment: DemoEnvironment, stats: Stats, *, waiting: int) -> list[Sentence]:
    """The parts of the status line."""
    shop = environment.haravan.shop
    level = shop.bucket.header(shop.clock())
    return [
        Sentence("customers waiting: {count}", count=waiting)
        if waiting
        else Sentence("all customers evaluated"),
        Sentence("tags +{added} −{removed}", added=stats.added, removed=stats.removed),
        Sentence("API calls: {calls}, bucket {level}", calls=shop.calls.count(), level=level),
        Sentence("Ctrl-C stops"),
    ]


def print_summary(screen: Screen, environment: DemoEnvironment, stats: Stats, latencies: Latencies) -> None:
    """Print the statistics of the run."""
    calls, sent = environment.haravan.calls, environment.haravan.deliveries.log
    reads = sum(count for endpoint, count in calls.by_endpoint().items() if endpoint.startswith("GET"))
    screen.blank()
    screen.fact(
        Sentence("Tags"),
        Sentence(
            "{added} added, {removed} removed, on {customers} customers",
            added=stats.added,
            removed=stats.removed,
            customers=len(stats.customers),
        ),
    )
    screen.fact(
        Sentence("Webhooks"),
        Sentence(
            "{good} of {all} answered 200; {echoes} echoes of our own writes, which cost no API call",
            good=sum(attempt.status == 200 for attempt in sent),
            all=len(sent),
            echoes=stats.echoes,
        ),
    )
    screen.fact(
        Sentence("API calls"),
        Sentence(
            "{calls}: {reads} reads, {writes} writes; {rejected} rejected (429)",
            calls=calls.count(),
            reads=reads,
            writes=calls.count() - reads,
            rejected=calls.count(status=429),
        ),
    )
    for when, seconds in ((Sentence("at first"), latencies.busy), (Sentence("later"), latencies.idle)):
        if seconds:
            screen.fact(Sentence("Webhook to tag"), _distribution(when, seconds))


def _distribution(when: Sentence, seconds: Sequence[float]) -> Sentence:
    p95 = quantiles(seconds, n=20, method="inclusive")[-1] if len(seconds) > 1 else seconds[0]
    return Sentence(
        "{when}: median {median} s, 95 % within {p95} s, maximum {maximum} s",
        when=when,
        median=f"{median(seconds):.2f}",
        p95=f"{p95:.2f}",
        maximum=f"{max(seconds):.2f}",
    )


def print_verdict(screen: Screen, mismatches: Sequence[Mismatch], *, customers: int, is_idle: bool) -> int:
    """Print whether all tags are correct. Returns the exit code."""
    screen.blank()
    if not is_idle:
        screen.verdict(
            Sentence("Not all customers were evaluated: there is no progress any more."), good=False
        )
    for mismatch in mismatches[:MAX_MISMATCHES]:
        if mismatch.missing:
            tags = ", ".join(mismatch.missing)
            screen.verdict(
                Sentence("customer {customer} lacks {tags}", customer=mismatch.customer, tags=tags),
                good=False,
            )
        if mismatch.unexpected:
            tags = ", ".join(mismatch.unexpected)
            screen.verdict(
                Sentence("customer {customer} must not have {tags}", customer=mismatch.customer, tags=tags),
                good=False,
            )
    if mismatches:
        screen.verdict(
            Sentence("{wrong} of {all} customers have wrong tags.", wrong=len(mismatches), all=customers),
            good=False,
        )
    if mismatches or not is_idle:
        return 1
    screen.verdict(
        Sentence("The tags of all {count} customers equal a from-scratch evaluation.", count=customers),
        good=True,
    )
    return 0


def format_vnd(amount: int) -> str:
    """An amount in the Vietnamese format: 2.450.000 ₫."""
    return translator_for("vi").money(amount * TEN_THOUSANDTHS, "VND")


def name_of(customer: Customer) -> Sentence | str:
    """The Vietnamese order: last name, first name."""
    name = " ".join(part for part in (customer.last_name, customer.first_name) if part)
    return name or Sentence("customer {customer}", customer=customer.id)


class Reasons:
    """Explains a tag write with the values in the ledger."""

    def __init__(self, rule_set: RuleSet, words: Translator) -> None:
        self._words = words
        self._names = {rule.id: rule.display_name(words.language) for rule in rule_set.all}

    def why(self, entry: LedgerEntry) -> str:
        """`VIP customer: spent 10.400.000 ₫`."""
        values = (_value(field, value) for field, value in entry.values.items() if value != [])
        text = ", ".join(value.text(self._words) for value in values)
        rule = self._names.get(entry.rule, entry.rule)
        return f"{rule}: {text}" if text else rule


def _value(field: str, value: object) -> Sentence:
    label = LABELS.get(field, field.replace("_", " "))
    match value:
        case None | "":
            return Sentence("no {label}", label=label)
        case True:
            return Sentence("{label}: yes", label=label)
        case False:
            return Sentence("{label}: no", label=label)
        case int() if field in MONEY_FIELDS:
            shown = format_vnd(value // TEN_THOUSANDTHS)
        case list():
            shown = ", ".join(map(str, value))
        case _:
            shown = str(value)
    return Sentence("{label} {value}", label=label, value=shown)
