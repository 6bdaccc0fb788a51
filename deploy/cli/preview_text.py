"""A preview on the terminal: tags, tier moves, what it costs, and what is odd."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy.cli.output import EMPTY, console, print_table

if TYPE_CHECKING:
    from service.domain.impact import TagPreview, TierPreview
    from service.domain.words import Words
    from service.store.drafts import Draft

ALWAYS = ("added", "removed", "unchanged")  # columns; the others are shown where they say something
SIGNS = {"added": "+", "removed": "−"}
EXAMPLES = 2


def print_preview(draft: Draft, *, words: Words) -> None:
    """Everything that somebody should see before publishing."""
    shown = draft.shown.preview
    _print_tags(shown.tags, words)
    titles = {tier.id: tier.title(words.language) for tier in draft.rule_set.tiers}
    for tier in shown.tiers:
        _print_moves(tier, titles.get(tier.id, tier.id), words)
    effort = draft.shown.effort
    _say(
        words(
            "preview.sum",
            added=words.number(shown.added),
            removed=words.number(shown.removed),
            touched=words.number(shown.touched),
            customers=words.number(shown.customers),
            calls=words.number(effort.calls),
            time=_lasting(effort.seconds, words),
        )
    )
    print_warnings(draft, words=words)
    if draft.shadow:
        _say(words("preview.shadow"))
    if draft.shown.guard.needs_approval:
        _say(words("preview.approval", why=words.listed(_why(draft, words))))


def print_warnings(draft: Draft, *, words: Words) -> None:
    """What is odd about the rules, and of whom nothing is known."""
    from service.domain.warnings import say_warning

    for one in draft.shown.warnings:
        _say(f"⚠ {say_warning(one, words=words, compiled=draft.compiled)}")


def _say(text: str) -> None:
    console().print(text, soft_wrap=True)


def _print_tags(tags: tuple[TagPreview, ...], words: Words) -> None:
    rows = [(one, _counts(one)) for one in tags]
    columns = [name for name in _counts(tags[0]) if _is_shown(name, rows)] if tags else []
    print_table(
        (
            words("preview.tag"),
            *(f">{words(f'preview.{name}')}" for name in columns),
            words("preview.example"),
        ),
        [
            (one.tag, *(_cell(name, counts[name], words) for name in columns), _some(one))
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


def _cell(name: str, number: int, words: Words) -> str:
    return f"{SIGNS.get(name, '')}{words.number(number)}" if number else EMPTY


def _some(one: TagPreview) -> str:
    some = one.samples.get("added") or one.samples.get("removed") or ()
    return ", ".join(map(str, some[:EXAMPLES]))


def _print_moves(tier: TierPreview, title: str, words: Words) -> None:
    """The matrix: from the rows to the columns; * waits for `downgrade`."""
    if not tier.moves:
        _say(words("preview.no_moves", tier=title))
        return
    names = [*tier.levels, None]
    counts = {(one.source, one.target, one.waits): one.customers for one in tier.moves}
    rows: list[tuple[object, ...]] = []
    for at, source in enumerate(names):
        cells = []
        for target in names:
            goes, waits = counts.get((source, target, False), 0), counts.get((source, target, True), 0)
            told = [words.number(goes)] * bool(goes) + [f"{words.number(waits)}*"] * bool(waits)
            cells.append(f"({words.number(tier.stay[at])})" if source == target else " ".join(told) or "·")
        rows.append((source or words("preview.no_level"), *cells))
    _say(words("preview.moves", tier=title))
    headings = (f">{name or words('preview.no_level')}" for name in names)
    print_table((words("preview.from"), *headings), rows, empty="")


def _why(draft: Draft, words: Words) -> list[str]:
    shown, guard = draft.shown.preview, draft.shown.guard
    most = {"share": guard.most_customers, "removals": guard.most_removed}
    return [
        words(f"preview.why.{why}", removed=words.number(shown.removed), most=words.number(most[why]))
        for why in guard.why
    ]


def _lasting(seconds: int, words: Words) -> str:
    if seconds < 90:
        return words.counted("seconds", seconds)
    if seconds < 5400:
        return words.counted("minutes", round(seconds / 60))
    return words.counted("hours", round(seconds / 3600))
