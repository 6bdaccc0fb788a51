"""A preview on the terminal: tags, tier moves, cost and warnings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy.cli.output import EMPTY, print_table
from deploy.cli.wording import translator
from deploy.local import console

if TYPE_CHECKING:
    from service.domain.explain import Translator
    from service.domain.preview import TagPreview, TierPreview
    from service.publishing import Draft

ALWAYS_SHOWN = ("added", "removed", "unchanged")  # the other columns are shown only if they have a value
SIGNS = {"added": "+", "removed": "−"}
MAX_EXAMPLES = 2


def print_preview(draft: Draft, *, approve_with: str = "--approve") -> None:
    """Print what a person should see before publishing. `approve_with`: the option or command of an approval."""
    words = translator()
    shown = draft.report.preview
    _print_tags(shown.tags, words)
    titles = {tier.id: tier.display_name(words.language) for tier in draft.rule_set.tiers}
    for tier in shown.tiers:
        _print_moves(tier, titles.get(tier.id, tier.id), words)
    cost = draft.report.cost
    _print(
        words(
            "preview.sum",
            added=words.number(shown.added),
            removed=words.number(shown.removed),
            touched=words.number(shown.touched),
            customers=words.number(shown.customers),
            calls=words.number(cost.calls),
            time=_format_duration(cost.seconds, words),
        )
    )
    print_warnings(draft)
    if draft.shadow:
        _print(words("preview.shadow"))
    if draft.freeze is not None:
        _print(words("preview.frozen", last=words.day(draft.freeze.last)))
    if draft.is_deferred or draft.first_look == "waiting":
        _print(words(f"preview.first_look.{draft.first_look}", org=draft.org))
    if draft.report.guard.needs_approval:
        _print(
            words("preview.approval", how=approve_with, why=words.join_list(_approval_reasons(draft, words)))
        )


def print_warnings(draft: Draft, *, kinds: frozenset[str] = frozenset()) -> None:
    """Print the warnings about the rules and about customers that were never scanned. `kinds`: only these."""
    from service.domain.preview import describe_warning

    for warning in draft.report.warnings:
        if kinds and warning.kind not in kinds:
            continue
        _print(f"⚠ {describe_warning(warning, translator=translator(), compiled=draft.compiled)}")


def _print(text: str) -> None:
    console().print(text)


def _print_tags(tags: tuple[TagPreview, ...], words: Translator) -> None:
    rows = [(tag, _counts(tag)) for tag in tags]
    columns = [name for name in _counts(tags[0]) if _is_shown(name, rows)] if tags else []
    print_table(
        (
            words("preview.tag"),
            *(f">{words(f'preview.{name}')}" for name in columns),
            words("preview.example"),
        ),
        [
            (tag.tag, *(_cell(name, counts[name], words) for name in columns), _examples(tag))
            for tag, counts in rows
        ],
        empty=words("preview.no_tags"),
    )


def _counts(tag: TagPreview) -> dict[str, int]:
    return {
        "added": tag.added,
        "removed": tag.removed,
        "unchanged": tag.unchanged,
        "kept": tag.kept + tag.downgrade,
        "left": tag.not_ours + tag.left,
        "excluded": tag.excluded,
        "undecided": tag.undecided,
        "stopped": tag.stopped,
    }


def _is_shown(name: str, rows: list[tuple[TagPreview, dict[str, int]]]) -> bool:
    return name in ALWAYS_SHOWN or any(counts[name] for _, counts in rows)


def _cell(name: str, number: int, words: Translator) -> str:
    return f"{SIGNS.get(name, '')}{words.number(number)}" if number else EMPTY


def _examples(tag: TagPreview) -> str:
    examples = tag.samples.get("added") or tag.samples.get("removed") or ()
    return ", ".join(map(str, examples[:MAX_EXAMPLES]))


def _print_moves(tier: TierPreview, title: str, words: Translator) -> None:
    """A matrix: moves from the tier in the row to the tier in the column. * waits for `downgrade`."""
    if not tier.moves:
        _print(words("preview.no_moves", tier=title))
        return
    names = [*tier.levels, None]
    counts = {(move.source, move.target, move.waits): move.customers for move in tier.moves}
    rows: list[tuple[object, ...]] = []
    for index, source in enumerate(names):
        cells = []
        for target in names:
            moving, waiting = counts.get((source, target, False), 0), counts.get((source, target, True), 0)
            parts = [words.number(moving)] * bool(moving) + [f"{words.number(waiting)}*"] * bool(waiting)
            cells.append(
                f"({words.number(tier.stay[index])})" if source == target else " ".join(parts) or "·"
            )
        rows.append((source or words("preview.no_level"), *cells))
    _print(words("preview.moves", tier=title))
    headings = (f">{name or words('preview.no_level')}" for name in names)
    print_table((words("preview.from"), *headings), rows, empty="")


def _approval_reasons(draft: Draft, words: Translator) -> list[str]:
    shown, guard = draft.report.preview, draft.report.guard
    limits = {"share": guard.most_customers, "removals": guard.most_removed}
    return [
        words(f"preview.why.{why}", removed=words.number(shown.removed), most=words.number(limits[why]))
        for why in guard.why
    ]


def _format_duration(seconds: int, words: Translator) -> str:
    if seconds < 90:
        return words.plural("seconds", seconds)
    if seconds < 5400:
        return words.plural("minutes", round(seconds / 60))
    return words.plural("hours", round(seconds / 3600))
