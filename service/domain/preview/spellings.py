"""Spellings: tags that people would take for each other, by case, accents, or letters of another alphabet."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Final

from service.domain.customers import fold
from service.domain.engine import CompiledRules
from service.domain.preview.lint import LintWarning
from service.domain.rules import strip_accents

# Letters of other alphabets, and the Latin letters that they look like (Unicode TR39, confusables).
_LATIN: Final = str.maketrans(
    "АВЕКМНОРСТУХІЈЅԚԜѴаеорсухіјѕԁһԛԝѵкΑΒΕΖΗΙΚΜΝΟΡΤΥΧονιακρÐðƉıɑɡ",
    "ABEKMHOPCTYXIJSQWVaeopcyxijsdhqwvkABEZHIKMNOPTYXoviakpDdDiag",
)


def lint_own_spellings(compiled: CompiledRules) -> tuple[LintWarning, ...]:
    """Warn of two tags of the document that look alike."""
    warnings: list[LintWarning] = []
    first_spelling: dict[str, str] = {}
    for rule in compiled.rule_set.all:
        for tag in rule.tags:
            other = first_spelling.setdefault(_shape(tag), tag)
            if other != tag:
                warnings.append(_warning("own_", rule.id, tag, other))
    return tuple(warnings)


def lint_spellings(compiled: CompiledRules, counts: Mapping[str, int]) -> tuple[LintWarning, ...]:
    """Warn of tags that customers have in another spelling. `counts`: spelling -> customers that have it."""
    by_shape: dict[str, dict[str, int]] = {}
    for spelling, count in counts.items():
        by_shape.setdefault(_shape(spelling), {})[spelling] = count
    warnings: list[LintWarning] = []
    for rule in compiled.rule_set.all:
        for tag in rule.tags if rule.enabled else ():
            similar = {
                spelling: count
                for spelling, count in by_shape.get(_shape(tag), {}).items()
                if spelling != tag.strip()
            }
            if similar:
                other = max(similar, key=lambda spelling: (similar[spelling], spelling))
                warnings.append(_warning("", rule.id, tag, other, count=similar[other]))
    return tuple(warnings)


def _warning(prefix: str, rule: str, tag: str, other: str, **counts: int) -> LintWarning:
    params: dict[str, str | int] = {"other": other, **counts}
    letters = ", ".join(dict.fromkeys(map(_describe_letter, _foreign_letters(tag + other))))
    if not letters or strip_accents(fold(tag)) == strip_accents(fold(other)):
        return LintWarning(f"{prefix}spelling", rule, tag, params=params)
    return LintWarning(f"{prefix}lookalike", rule, tag, params=params | {"letters": letters})


def _shape(tag: str) -> str:
    """Return a tag as people see it at a glance: without case, accents and foreign alphabets."""
    return strip_accents(fold(unicodedata.normalize("NFKC", tag).translate(_LATIN)))


def _foreign_letters(text: str) -> list[str]:
    """The characters that only look like the Latin letters that people type."""
    return [
        character
        for character in unicodedata.normalize("NFC", text)
        if unicodedata.normalize("NFKC", character).translate(_LATIN) != character
    ]


def _describe_letter(character: str) -> str:
    return f"“{character}” = U+{ord(character):04X} {unicodedata.name(character, '')}".rstrip()
