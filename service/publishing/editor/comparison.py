"""One rule in two versions: the two sides of a conflict, and the published versions that changed it.

These functions run in the CPU pool and take and return plain data.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Final

from service.context import Context
from service.domain.customers import OrgId
from service.domain.documents import InvalidRules, entry_to_yaml, validate_rules
from service.domain.explain import Language, Translator
from service.domain.preview import describe_rule
from service.domain.rules import RuleSet
from service.locales import translator_for
from service.publishing.editor.copies import Entry
from service.publishing.review import RuleDifference, differences
from service.store.rules import Version

MAX_VERSIONS: Final = 100  # that are looked through, the newest first


@dataclass(frozen=True, slots=True)
class RuleVersion:
    """A version that changed the rule, and how."""

    version: Version
    change: RuleDifference


@dataclass(frozen=True, slots=True)
class ComparedLine:
    """What both sides say about one thing. A side that says nothing about it is empty."""

    mine: str
    theirs: str
    differs: bool


async def compare_entries(
    context: Context,
    document: Mapping[str, Any],
    kind: str,
    mine: Entry,
    theirs: Entry | None,
    language: Language,
) -> tuple[ComparedLine, ...]:
    """Both versions of a rule or tier line by line: in sentences, or as YAML if one of them has errors.

    `document` has the time zone and the currency. `theirs` is None if it was deleted.
    """
    words = translator_for(language)
    both = [_sentences(document, kind, each, words) for each in (mine, theirs)]
    if any(each is None for each in both):
        both = [entry_to_yaml(each, kind).splitlines() if each else [] for each in (mine, theirs)]
    left, right = (each or [] for each in both)
    lines: list[ComparedLine] = []
    matcher = difflib.SequenceMatcher(None, left, right, autojunk=False)
    for operation, a, b, c, d in matcher.get_opcodes():
        pairs = zip_longest(left[a:b], right[c:d], fillvalue="")
        lines += (ComparedLine(one, other, operation != "equal") for one, other in pairs)
    return tuple(lines)


def _sentences(
    document: Mapping[str, Any], kind: str, entry: Entry | None, words: Translator
) -> list[str] | None:
    """None if the entry has errors."""
    if entry is None:
        return []
    frame = {key: document[key] for key in ("timezone", "currency") if key in document}
    try:
        rule_set = validate_rules({**frame, kind: [entry]})
    except InvalidRules:
        return None
    return [*describe_rule(rule_set.all[0], words, rule_set.currency)]


async def rule_history(
    context: Context, org: OrgId, rule_id: str, language: Language
) -> tuple[RuleVersion, ...]:
    """The versions that changed a rule, the newest first. Versions of the same content are read once."""
    found: list[RuleVersion] = []
    versions = await context.versions.history(org)
    rules = {0: RuleSet()}
    for version in reversed(versions[:MAX_VERSIONS]):
        rules[version.number] = _only(await context.versions.document(org, version.number), rule_id)
        before = rules.get(version.parent)
        if before is None:  # older than those that are looked through
            continue
        found += (RuleVersion(version, each) for each in differences(before, rules[version.number], language))
    return tuple(reversed(found))


def _only(rule_set: RuleSet, rule_id: str) -> RuleSet:
    """The rule set with this rule or tier alone."""
    rules = tuple(each for each in rule_set.rules if each.id == rule_id)
    tiers = tuple(each for each in rule_set.tiers if each.id == rule_id)
    return rule_set.model_copy(update={"rules": rules, "tiers": tiers})
