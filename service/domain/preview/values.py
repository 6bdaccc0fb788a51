"""Values: what a shop's customers have in a field, and the values in conditions that no customer has."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import nlargest
from itertools import islice
from typing import Final

from service.domain.customers import Customer, fold
from service.domain.engine import CompiledRules, Facts, fact_value
from service.domain.preview.lint import LintWarning
from service.domain.rules import FIELDS, Condition, Field, FieldType, RuleSet, iter_conditions, strip_accents

ValueCounts = Mapping[str, Mapping[str, int]]  # name of a fact -> value as customers have it -> customers

_MIN_SIMILARITY: Final = 0.75
_MAX_CANDIDATES: Final = 2_000
_NUMBERS: Final = frozenset({FieldType.MONEY, FieldType.INT, FieldType.DATE})
_QUARTERS: Final = 4
# "TP. Hồ Chí Minh" and "Hồ Chí Minh" are two values of one place.
_PLACE_PREFIX: Final = re.compile(
    r"(?:thanh pho|thi xa|thi tran|tinh|quan|huyen|phuong|xa|tp|tx|tt|q|h|p|x) (?=\S)"
)
_NO_WORD: Final = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class FieldValues:
    """What customers have in one field.

    `counts`: value -> customers, the most frequent first; a birthday counts as its month, a personal text as True.
    `quartiles`: for amounts, numbers and dates instead: the lowest value, three quartiles and the highest value.
    Values are those of `fact_value`.
    """

    field: str
    customers: int
    empty: int
    counts: Mapping[object, int]
    quartiles: tuple[object, ...] = ()


@dataclass(frozen=True, slots=True)
class KnownValues:
    """What customers have in a choice or as tags, made ready to find values that are spelled nearly alike.

    `counts`: value as customers have it -> customers, the most frequent first. `by_key`: the values that only differ in
    accents, case, punctuation and prefixes such as "TP.".
    """

    counts: Mapping[str, int]
    by_fold: Mapping[str, int]
    by_key: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, counts: Counter[str]) -> KnownValues:
        """Sort and index counted values."""
        ordered = dict(counts.most_common())
        by_fold: Counter[str] = Counter()
        by_key: dict[str, tuple[str, ...]] = {}
        for value, count in ordered.items():
            by_fold[fold(value)] += count
            key = _place_key(value)
            by_key[key] = (*by_key.get(key, ()), value)
        return cls(ordered, by_fold, by_key)

    def count(self, text: str) -> int:
        """The customers whose value a condition with this text matches."""
        return self.by_fold.get(fold(text), 0)

    def near(self, text: str, *, listed: Iterable[str] = (), limit: int = 3) -> tuple[str, ...]:
        """Values that the author of `text` may have meant as well: other spellings of it.

        If no customer has `text` itself, also values that begin with it or contain it, and those that resemble it.
        `listed` values, which the condition has already, are left out.
        """
        key = _place_key(text)
        found = dict.fromkeys(self.by_key.get(key, ()))
        if key and not self.count(text):
            found |= dict.fromkeys(self._values_of(each for each in self.by_key if each.startswith(key)))
            found |= dict.fromkeys(self._values_of(each for each in self.by_key if f" {key}" in each))
            closest = _closest_key(key, [*islice(self.by_key, _MAX_CANDIDATES)])
            found |= dict.fromkeys(self._values_of([closest] if closest else ()))
        taken = {fold(text), *map(fold, listed)}
        chosen: list[str] = []
        for value in found:
            if fold(value) not in taken and len(chosen) < limit:
                taken.add(fold(value))
                chosen.append(value)
        return tuple(chosen)

    def _values_of(self, keys: Iterable[str]) -> list[str]:
        values = [value for key in keys for value in self.by_key[key]]
        return sorted(values, key=lambda value: -self.counts[value])


def field_values(
    field: Field, customers: Iterable[Customer], build_facts: Callable[[Customer], Facts]
) -> FieldValues:
    """Count what customers have in a field. `build_facts` builds the facts of today, with all fields."""
    counts: Counter[object] = Counter()
    values: list[int | str] = []
    known = empty = 0
    for customer in customers:
        known += 1
        if field.type is FieldType.TAGS:
            counts.update(customer.tags)
            empty += not customer.tags
            continue
        value = fact_value(field.name, facts=build_facts(customer), customer=customer)
        if value is None or (field.is_personal and not value):
            empty += 1
        elif field.type in _NUMBERS and isinstance(value, int | str):
            values.append(value)
        else:
            counts[int(str(value)[5:7]) if field.type is FieldType.ANNIVERSARY else value] += 1
    values.sort()  # the values of one field have one type
    last = len(values) - 1
    quartiles = (
        tuple(values[round(last * part / _QUARTERS)] for part in range(_QUARTERS + 1)) if values else ()
    )
    return FieldValues(field.name, known, empty, dict(counts.most_common()), quartiles)


def count_values(rule_set: RuleSet, customers: Sequence[Customer]) -> ValueCounts:
    """Count the values of the choices that the rules compare, and of tags."""
    facts = {
        fact
        for condition in _live_conditions(rule_set)
        if FIELDS[condition.field].type is FieldType.CHOICE
        for fact in FIELDS[condition.field].fact_names
    }
    counts: dict[str, Mapping[str, int]] = {
        fact: Counter(str(value) for customer in customers if (value := getattr(customer, fact)) is not None)
        for fact in sorted(facts)
    }
    return {**counts, "tags": Counter(tag for customer in customers for tag in customer.tags)}


def lint_values(compiled: CompiledRules, counts: ValueCounts, *, org: str) -> tuple[LintWarning, ...]:
    """Warn of values that no customer has, with the value that was probably meant."""
    rule_set = compiled.rule_set
    given = {fold(tag) for rule in rule_set.all for tag in rule.tags}
    warnings: list[LintWarning] = []
    for rule in rule_set.all:
        for expression in rule.expressions if rule.enabled else ():
            for condition in iter_conditions(expression):
                for warning in _lint_condition(condition, rule.id, counts, given=given, org=org):
                    if warning not in warnings:
                        warnings.append(warning)
    return tuple(warnings)


def closest_value(value: str, counts: Mapping[str, int]) -> str:
    """Return the value that the author of `value` probably meant, or ''.

    Accents, case, punctuation, prefixes such as "TP." and initials ("HCM") do not matter.
    """
    frequent = nlargest(_MAX_CANDIDATES, counts, key=lambda known: (counts[known], known))
    keys = {_place_key(known): known for known in reversed(frequent)}
    closest = _closest_key(_place_key(value), keys)
    return keys[closest] if closest else ""


def _closest_key(key: str, keys: Collection[str]) -> str:
    """The same key, one with these initials, or the one that resembles it most; '' if none does."""
    if key in keys:
        return key
    initials = key.replace(" ", "").removeprefix("tp")
    for known in keys:
        words = known.split()
        if len(words) > 1 and initials == "".join(word[0] for word in words):
            return known
    return next(iter(difflib.get_close_matches(key, keys, n=1, cutoff=_MIN_SIMILARITY)), "")


def _live_conditions(rule_set: RuleSet) -> Iterator[Condition]:
    for rule in rule_set.all:
        for expression in rule.expressions if rule.enabled else ():
            yield from iter_conditions(expression)


def _lint_condition(
    condition: Condition, rule: str, counts: ValueCounts, *, given: set[str], org: str
) -> Iterator[LintWarning]:
    field = FIELDS[condition.field]
    values = condition.value if isinstance(condition.value, tuple) else (condition.value,)
    texts = [value for value in values if isinstance(value, str)]
    if field.type is FieldType.CHOICE and field.name != "gender":  # a gender is checked with the document
        yield from _lint_choices(field, texts, rule, counts, org=org)
    elif field.type is FieldType.TAGS:
        known = {fold(tag) for tag in counts["tags"]}
        for text in texts:
            if fold(text) not in known | given and (other := closest_value(text, counts["tags"])):
                params: dict[str, str | int] = {"value": text, "other": other, "count": counts["tags"][other]}
                yield LintWarning("tag_unknown.similar", rule, params=params)


def _lint_choices(
    field: Field, texts: Sequence[str], rule: str, counts: ValueCounts, *, org: str
) -> Iterator[LintWarning]:
    names = counts[field.fact_names[0]]
    known = {fold(value) for fact in field.fact_names for value in counts[fact]}
    listed = {fold(text) for text in texts}
    for text in texts:
        params: dict[str, str | int] = {"field": field.name, "name": field.name, "value": text, "org": org}
        other = closest_value(
            text, {name: count for name, count in names.items() if fold(name) not in listed}
        )
        if fold(text) not in known:
            kind = "value_unknown.similar" if other else "value_unknown"
            similar: dict[str, str | int] = {"other": other, "count": names[other]} if other else {}
            yield LintWarning(kind, rule, params=params | similar)
        elif other and _place_key(other) == _place_key(text):
            yield LintWarning("value_variant", rule, params=params | {"other": other, "count": names[other]})


def _place_key(value: str) -> str:
    words = _NO_WORD.sub(" ", strip_accents(unicodedata.normalize("NFKC", value))).strip()
    return _PLACE_PREFIX.sub("", words, count=1) if _PLACE_PREFIX.match(words) else words
