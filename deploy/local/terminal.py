"""The terminal: consoles for stdout and stderr that print text as it is."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from rich.console import Console

_CONTROL_CHARACTERS: Final = dict.fromkeys([*range(9), *range(11, 32), *range(127, 160)], "\ufffd")


@cache
def console() -> Console:
    """The console for stdout. Rich prints no colours if stdout is not a terminal or NO_COLOR is set."""
    return _terminal()


@cache
def error_console() -> Console:
    """The console for stderr: progress and questions, so that scripts can read stdout."""
    return _terminal(stderr=True)


def visible(text: str) -> str:
    """The text with control characters replaced, so that it cannot control the terminal."""
    return text.translate(_CONTROL_CHARACTERS)


def _terminal(*, stderr: bool = False) -> Console:
    from rich.console import Console

    class Terminal(Console):
        """Prints text without markup, because names, notes and tags may look like it, and leaves sentences unwrapped."""

        def print(self, *objects: Any, **options: Any) -> None:
            if all(isinstance(item, str) for item in objects):
                options.setdefault("soft_wrap", True)  # a wrapped command cannot be copied from the terminal
            super().print(*(visible(item) if isinstance(item, str) else item for item in objects), **options)

    return Terminal(stderr=stderr, highlight=False, markup=False, emoji=False)
