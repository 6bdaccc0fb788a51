"""A preview on the terminal: tags, tier moves, what it costs, and what is odd."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy.cli.output import EMPTY, console, counted, print_table

if TYPE_CHECKING:
    from service.domain.preview import TagPreview, TierPreview
    from service.domain.words import Words
    from service.store.drafts import Draft


def print_preview(draft: Draft, *, words: Words) -> None:
    """Everything that somebody should see before publishing."""
    shown = draft.shown.preview
    print_table(
        ("tag", ">added", ">removed", ">unchanged", ">kept", ">not ours", ">excluded", "for example"),
        [_tag(one) for one in shown.tags],
        empty="No tag is set by these rules.",
    )
    for tier in shown.tiers:
        _print_moves(tier)
    effort = draft.shown.effort
    console().print(
        f"{counted(shown.added, 'tag')} added, {shown.removed} removed, {shown.touched} of "
        f"{counted(shown.customers, 'known customer')} touched; {counted(effort.calls, 'API call')}, "
        f"about {_lasting(effort.seconds)} when nothing else is to be done."
    )
    print_warnings(draft, words=words)
    if draft.shown.guard.needs_approval:
        console().print(f"It needs an approval (--approve): {' and '.join(_why(draft))}.")


def print_warnings(draft: Draft, *, words: Words) -> None:
    """What is odd about the rules."""
    from service.domain.warnings import say_warning
    from service.store.drafts import ready

    compiled = ready(draft)
    for one in draft.shown.warnings:
        console().print(f"⚠ {say_warning(one, words=words, compiled=compiled)}", markup=False, soft_wrap=True)


def _tag(one: TagPreview) -> tuple[object, ...]:
    some = one.samples.get("added") or one.samples.get("removed") or ()
    kept = one.kept + one.downgrade
    numbers = (one.added, one.removed, one.unchanged, kept, one.not_ours + one.left, one.excluded)
    signs = ("+", "−", "", "", "", "")
    cells = (f"{sign}{number}" if number else EMPTY for sign, number in zip(signs, numbers, strict=True))
    return (one.tag, *cells, ", ".join(map(str, some[:2])))


def _print_moves(tier: TierPreview) -> None:
    """The matrix: from the rows to the columns; * waits for `downgrade`."""
    names = [*tier.levels, None]
    counts = {(one.source, one.target, one.waits): one.customers for one in tier.moves}
    rows: list[tuple[object, ...]] = []
    for at, source in enumerate(names):
        cells = []
        for target in names:
            goes, waits = counts.get((source, target, False), 0), counts.get((source, target, True), 0)
            told = [str(goes)] * bool(goes) + [f"{waits}*"] * bool(waits)
            cells.append(f"({tier.stay[at]})" if source == target else " ".join(told) or "·")
        rows.append((source or "no level", *cells))
    console().print(f"Tier {tier.id}: from → to; (stays), * waits for its day")
    print_table(("from", *(f">{name or 'no level'}" for name in names)), rows, empty="")


def _why(draft: Draft) -> list[str]:
    shown, guard = draft.shown.preview, draft.shown.guard
    said = {
        "share": f"more than {guard.most_customers} customers",
        "removals": f"{shown.removed} removals, more than {guard.most_removed}",
    }
    return [said[why] for why in guard.why]


def _lasting(seconds: int) -> str:
    if seconds < 90:
        return counted(seconds, "second")
    return (
        counted(round(seconds / 60), "minute") if seconds < 5400 else counted(round(seconds / 3600), "hour")
    )
