"""What the demo prints: readable in 80 columns, without colours, and in a file as well as on a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from rich.cells import cell_len
from rich.console import Console
from rich.live import Live
from rich.text import Text

from deploy.demonstration.follow import Outcome
from deploy.demonstration.words import Reasons
from service.store.ledger import Written

INDENT = " " * 10
NAME_CELLS = 24


class Screen:
    """Lines that stay, and on a terminal one line below them that is always of this moment."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None

    @property
    def is_terminal(self) -> bool:
        """Whether somebody watches; a file gets no line that is overwritten."""
        return self._console.is_terminal

    def heading(self) -> None:
        self._print(Text("haravan-tagger", style="bold"), Text(" · the demo"))
        self.plain(
            "A Haravan shop in a box and the real service, with real signed HTTP between them. "
            "Nothing leaves this machine."
        )
        self._console.print()

    def ready(self, what: str, word: str, where: str) -> None:
        """One part of the stage is up."""
        self._print(Text("  ✔ ", style="green"), Text(f"{what:<10}", style="bold"), Text(word))
        if where:
            self._print(Text(" " * 14 + where, style="cyan"))

    def plain(self, text: str) -> None:
        """A paragraph."""
        self._console.print(Text(text))

    def command(self, words: str) -> None:
        """Something to type."""
        self._print(Text("  $ ", style="dim"), Text(words, style="cyan"))

    def fact(self, what: str, word: str) -> None:
        """One line of the summary."""
        self._print(Text(f"{what:<16}", style="bold"), Text(word))

    def blank(self) -> None:
        self._console.print()

    def happened(self, at_s: float, who: str, what: str) -> None:
        """Something happened in the shop at that moment."""
        at = Text(datetime.fromtimestamp(at_s).astimezone().strftime("%H:%M:%S  "), style="dim")
        self._print(at, Text(_padded(who), style="bold"), Text(what))

    def came_of_it(self, outcome: Outcome, reasons: Reasons) -> None:
        """What the service did about it."""
        lead = f"{outcome.after_s:6.2f} s  " if outcome.after_s is not None else INDENT
        if outcome.after_s is None:
            self._print(Text(lead), Text("is still waiting for its turn", style="yellow"))
        elif not outcome.written:
            self._print(Text(lead, style="cyan"), Text("nothing to change", style="dim"))
        for each in outcome.written:
            self.wrote(each, reasons, lead=lead)
            lead = INDENT

    def wrote(self, written: Written, reasons: Reasons, *, lead: str = INDENT) -> None:
        """One tag that was written, and why."""
        entry = written.entry
        sign, style = ("+", "green") if entry.action == "+" else ("−", "red")
        self._print(
            Text(lead, style="cyan"),
            Text(_padded(f"{sign} {entry.tag}"), style=style),
            Text(reasons.why(entry), style="dim"),
        )

    def verdict(self, text: str, *, good: bool) -> None:
        self._print(Text("✔ " if good else "✘ ", style="bold green" if good else "bold red"), Text(text))

    @contextmanager
    def footer(self) -> Iterator[None]:
        """Keep a line of this moment below everything, where somebody watches."""
        if not self.is_terminal:
            yield
            return
        with Live(console=self._console, auto_refresh=False, transient=True) as live:
            self._live = live
            try:
                yield
            finally:
                self._live = None

    def now(self, parts: Sequence[str]) -> None:
        """Replace the line of this moment."""
        if self._live is not None:
            self._live.update(Text(" · ".join(parts), style="reverse"), refresh=True)

    def _print(self, *parts: Text) -> None:
        """One line; what does not fit goes on below, indented as far as the text is."""
        line = Text.assemble(*parts)
        indent = sum(cell_len(part.plain) for part in parts[:-1])
        width = max(20, self._console.width - indent)
        if cell_len(line.plain) <= self._console.width or len(parts) < 2:
            self._console.print(line)
            return
        first, *rest = parts[-1].wrap(self._console, width)
        self._console.print(Text.assemble(*parts[:-1], first))
        for each in rest:
            self._console.print(Text.assemble(" " * indent, each))


def _padded(text: str) -> str:
    """Filled up to a column's width, counted as the terminal does."""
    return text + " " * max(2, NAME_CELLS - cell_len(text))
