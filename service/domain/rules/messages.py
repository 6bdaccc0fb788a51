"""Messages for the authors of rules: keys of the catalogs with their placeholders. The rim turns them into texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from service.sentence import Words

Param: TypeAlias = "str | int | Message"


@dataclass(frozen=True, slots=True)
class Message:
    """A text for people, in any language: its key in the catalogs, without `error.`, and its placeholders."""

    key: str
    params: tuple[tuple[str, Param], ...] = ()

    def text(self, words: Words) -> str:
        """The text in the language of `words`. A placeholder that is a message is translated too."""
        filled = {
            name: value.text(words) if isinstance(value, Message) else value for name, value in self.params
        }
        return words(f"error.{self.key}", **filled)

    def __str__(self) -> str:
        """The key with its placeholders, for logs."""
        return f"{self.key}({', '.join(f'{name}={value}' for name, value in self.params)})"


def message(key: str, /, **params: Param) -> Message:
    """Create a message."""
    return Message(key, tuple(params.items()))
