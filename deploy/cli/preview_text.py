"""A preview on the terminal: tags, tier moves, cost and warnings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy.cli.output import EMPTY, print_table
from deploy.local.console import console

if TYPE_CHECKING:
    from service.domain.explain import Translator
    from service.domain.preview import TagPreview, TierPreview
    from service.publishing import Draft

ALWAYS = (
    "added",
    "removed",
    "unchanged",
)  # these columns are always shown, the others only if they have a value
SIGNS = {"added": "+", "removed": "−"}
EXAMPLES = 2


def print_preview(draft: Draft, *, words: Translator) -> None:
    """Print everything that a person should see before publishing."""
    shown = draft.report.preview
    _print_tags(shown.tags, words)
    titles = {tier.id: tier.display_name(words.language) for tier in draft.rule_set.tiers}
    for tier in shown.tiers:
        _print_moves(tier, titles.get(tier.id, tier.id), words)
    effort = draft.report.cost
    _print(
        words(
            "preview.sum",
            added=words.number(shown.added),
            removed=words.number(shown.removed),
            touched=words.number(shown.touched),
            customers=words.number(shown.customers),
            calls=words.number(effort.calls),
            time=_format_duration(effort.seconds, words),
        )
    )
    print_warnings(draft, words=words)
    if draft.shadow:
        _print(words("preview.shadow"))
    if draft.report.guard.needs_approval:
        _print(words("preview.approval", why=words.join_list(_approval_reasons(draft, words))))


def print_warnings(draft: Draft, *, words: Translator) -> None:
    """Print the warnings about the rules, and how many customers are unknown."""
    from service.domain.preview import describe_warning

    for one in draft.report.warnings:
        _print(f"⚠ {describe_warning(one, translator=words, compiled=draft.compiled)}")


def _print(text: str) -> None:
    console().print(text, soft_wrap=True)


def _print_tags(tags: tuple[TagPreview, ...], words: Translator) -> None:
    rows = [(one, _counts(one)) for one in tags]
    columns = [name for name in _counts(tags[0]) if _is_shown(name, rows)] if tags else []
    print_table(
        (
            words("preview.tag"),
            *(f">{words(f'preview.{name}')}" for name in columns),
            words("preview.example"),
        ),
        [
            (one.tag, *(_cell(name, counts[name], words) for name in columns), _examples(one))
            for one, counts in rows
        ],
        empty=words("preview.no_tags"),
    )


def _counts(one: TagPreview) -> dict[str, int]:
    return {
        "added": one.added,
        "removed": one.removed,
        "unchanged": one.unchanged,
        "kept": one.kept + one.downgrade,
        "left": one.not_ours + one.left,
        "excluded": one.excluded,
        "stopped": one.stopped,
    }


def _is_shown(name: str, rows: list[tuple[TagPreview, dict[str, int]]]) -> bool:
    return name in ALWAYS or any(counts[name] for _, counts in rows)


def _cell(name: str, number: int, words: Translator) -> str:
    return f"{SIGNS.get(name, '')}{words.number(number)}" if number else EMPTY


def _examples(one: TagPreview) -> str:
    some = one.samples.get("added") or one.samples.get("removed") or ()
    return ", ".join(map(str, some[:EXAMPLES]))


def _print_moves(tier: TierPreview, title: str, words: Translator) -> None:
    """A matrix: moves from the tier in the row to the tier in the column. * waits for `downgrade`."""
    if not tier.moves:
        _print(words("preview.no_moves", tier=title))
        return
    names = [*tier.levels, None]
    counts = {(one.source, one.target, one.waits): one.customers for one in tier.moves}
    rows: list[tuple[object, ...]] = []
    for at, source in enumerate(names):
        cells = []
        for target in names:
            goes, waits = counts.get((source, target, False), 0), counts.get((source, target, True), 0)
            parts = [words.number(goes)] * bool(goes) + [f"{words.number(waits)}*"] * bool(waits)
            cells.append(f"({words.number(tier.stay[at])})" if source == target else " ".join(parts) or "·")
        rows.append((source or words("preview.no_level"), *cells))
    _print(words("preview.moves", tier=title))
    headings = (f">{name or words('preview.no_level')}" for name in names)
    print_table((words("preview.from"), *headings), rows, empty="")


def _approval_reasons(draft: Draft, words: Translator) -> list[str]:
    shown, guard = draft.report.preview, draft.report.guard
    most = {"share": guard.most_customers, "removals": guard.most_removed}
    return [
        words(f"preview.why.{why}", removed=words.number(shown.removed), most=words.number(most[why]))
        for why in guard.why
    ]


def _format_duration(seconds: int, words: Translator) -> str:
    if seconds < 90:
        return words.plural("seconds", seconds)
    if seconds < 5400:
        return words.plural("minutes", round(seconds / 60))
    return words.plural("hours", round(seconds / 3600))
