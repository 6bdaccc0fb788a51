"""A sentence for people: what an exception or an audit entry says. It is written in English where it arises.

The English text is its key in the catalogs of `service/locales/sentences`, so a page and a command show it in the
reader's language, and a log line shows it in English.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol, TypeAlias

SentenceParam: TypeAlias = "str | int | Sentence"


class Words(Protocol):
    """What translates: the translator of a language."""

    @property
    def language(self) -> str: ...

    def __call__(self, key: str, **params: object) -> str: ...

    def has(self, key: str) -> bool: ...


class Sentence:
    """An English text with {placeholders} and what fills them. `str()` is the English sentence."""

    __slots__ = ("params", "template")

    def __init__(self, template: str, /, **params: SentenceParam) -> None:
        self.template = template
        self.params: Mapping[str, SentenceParam] = params

    def __str__(self) -> str:
        return self.template.format(**self.params)

    def __repr__(self) -> str:
        return f"Sentence({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sentence) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    @classmethod
    def join(cls, sentences: Iterable[Sentence]) -> Sentence:
        """Several sentences as one, with a semicolon between."""
        parts = {f"part{number}": each for number, each in enumerate(sentences)}
        return cls("; ".join(f"{{{name}}}" for name in parts), **parts)

    def text(self, words: Words) -> str:
        """The sentence in the language of `words`, also the sentences that fill it; in English without a translation."""
        filled = {
            name: value.text(words) if isinstance(value, Sentence) else value
            for name, value in self.params.items()
        }
        template = self.template
        return words(template, **filled) if words.has(template) else template.format(**filled)
