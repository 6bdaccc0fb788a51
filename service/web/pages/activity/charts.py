"""Pictures of days, drawn by the server from the day counts: columns and lines in percent of the plot.

Every picture has a text that says what it shows, and its numbers as a table. A picture is 100 wide and 100 high; the style
sheet stretches it, so it fits a phone as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache, partial
from typing import Final

from service.domain.explain import Language, Translator
from service.domain.rules import RuleSet, Tier
from service.store.history import DayCounts, TagChanges, TagOfRule

MAX_LINES: Final = 6
SERIES: Final = tuple(f"series-{number}" for number in range(1, MAX_LINES + 1))
MIN_HEIGHT: Final = 0.8  # of a part: a pixel
GAP: Final = 0.25  # between columns, as a share of a column
NICE: Final = (10, 12, 15, 20, 30, 40, 50, 60, 80, 100)  # tenths: a scale ends at 1, 12, 150 or 2,000


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a column. `kind` is its colour."""

    kind: str
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Column:
    """A day. `left` and `step` are its whole place, which shows `text` under a pointer."""

    left: float
    step: float
    x: float
    width: float
    parts: tuple[Part, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Line:
    """A series as an SVG path. A day without a number is a gap."""

    kind: str
    path: str


@dataclass(frozen=True, slots=True)
class Key:
    """What a colour means, with the latest or the summed number."""

    kind: str
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Plot:
    """A picture. `summary` says it in words. `axis` is the height of zero, `scale` the labels from top to bottom."""

    id: str
    title: str
    summary: str
    keys: tuple[Key, ...]
    scale: tuple[str, str, str]
    days: tuple[str, str, str]  # the labels below: first, middle, last
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]  # the newest first
    axis: float = 100.0
    columns: tuple[Column, ...] = ()
    lines: tuple[Line, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing was counted yet."""
        return not self.columns and not self.lines


def plot_changes(days: Sequence[DayCounts], t: Translator) -> Plot:
    """Tags added above zero and removed below it, in one scale."""
    up = nice_limit(max((day.added for day in days), default=0))
    down = nice_limit(max((day.removed for day in days), default=0)) if any(d.removed for d in days) else 0
    unit, axis = 100 / (up + down), 100 * up / (up + down)

    def parts(day: DayCounts) -> Iterator[Part]:
        if day.added:
            yield Part("add", axis - day.added * unit, day.added * unit)
        if day.removed:
            yield Part("remove", axis, day.removed * unit)

    added, removed = sum(day.added for day in days), sum(day.removed for day in days)
    busiest = max(days, key=lambda day: day.added + day.removed)
    plus, minus = f"+{_number(t, added)}", f"−{_number(t, removed)}"
    summary = t(
        "load.days.text",
        days=_span(days),
        added=_number(t, added),
        removed=_number(t, removed),
        day=_day(busiest, t),
        most=_number(t, busiest.added + busiest.removed),
    )
    names = t("load.added"), t("load.removed")
    return Plot(
        id="changes",
        title=t("load.days"),
        summary=summary,
        keys=(Key("add", names[0], plus), Key("remove", names[1], minus)),
        scale=(_number(t, up), "", f"−{_number(t, down)}" if down else "0"),
        days=_labels(days, t),
        header=(t("load.day"), *names),
        rows=_table(days, t, lambda day: (_number(t, day.added), _number(t, day.removed))),
        axis=axis,
        columns=_columns(days, t, parts, lambda day: f"+{_number(t, day.added)} −{_number(t, day.removed)}"),
    )


def plot_calls(days: Sequence[DayCounts], t: Translator, *, per_day: int) -> Plot:
    """API calls by lane. `per_day` is what Haravan gives back in a day."""
    names = t("load.calls.live"), t("load.calls.bulk")
    live, bulk = sum(day.live_calls for day in days), sum(day.bulk_calls for day in days)
    most = max(days, key=lambda day: day.live_calls + day.bulk_calls)
    share = 100 * (most.live_calls + most.bulk_calls) / (per_day * most.days)
    return _stacked(
        "calls",
        t("load.calls"),
        days,
        t,
        series=(("live", names[0]), ("bulk", names[1])),
        values=lambda day: (day.live_calls, day.bulk_calls),
        keys=(_number(t, live), _number(t, bulk)),
        summary=t(
            "load.calls.text",
            days=_span(days),
            calls=_number(t, live + bulk),
            day=_day(most, t),
            percent=t.number(Decimal(round(10 * share)) / 10 if share < 10 else Decimal(round(share))),
        ),
    )


def plot_backlog(days: Sequence[DayCounts], t: Translator) -> Plot:
    """The largest backlog of each day."""
    most = max(days, key=lambda day: day.backlog)
    return _stacked(
        "backlog-days",
        t("load.backlog.days"),
        days,
        t,
        series=(("planned", t("load.backlog")),),
        values=lambda day: (day.backlog,),
        keys=(_number(t, most.backlog),),
        summary=t("load.backlog.text", day=_day(most, t), most=_number(t, most.backlog)),
    )


def plot_age(days: Sequence[DayCounts], t: Translator, *, length: Callable[[float], str]) -> Plot:
    """The longest time that a customer with a webhook waited, by day."""
    most = max(days, key=lambda day: day.oldest_s)
    return _stacked(
        "age-days",
        t("load.age.days"),
        days,
        t,
        series=(("delayed", t("load.age")),),
        values=lambda day: (day.oldest_s,),
        keys=(length(most.oldest_s),),
        summary=t("load.age.text", day=_day(most, t), most=length(most.oldest_s)),
        label=length,
    )


def plot_tier(days: Sequence[DayCounts], tier: Tier, t: Translator, *, language: Language) -> Plot:
    """Customers by level of a tier, stacked, on the days with a walk over all customers."""
    tags = tier.tags[:MAX_LINES]
    counted = [day for day in days if day.customers is not None]
    last = counted[-1] if counted else None
    now = [last.tagged.get(tag, 0) if last else 0 for tag in tags]
    parts = t.join_list([f"{tag} {_number(t, count)}" for tag, count in zip(tags, now, strict=True)])
    return _stacked(
        f"tier-{tier.id}",
        tier.display_name(language),
        days if counted else (),
        t,
        series=tuple(zip(SERIES, tags, strict=False)),
        values=lambda day: tuple(day.tagged.get(tag, 0) for tag in tags),
        keys=tuple(map(partial(_number, t), now)),
        summary=t("load.tier.text", day=_day(last, t), parts=parts) if last else t("load.uncounted"),
    )


def plot_tags(days: Sequence[DayCounts], rule_set: RuleSet, t: Translator) -> Plot:
    """Customers with each tag of the rules, the most frequent tags only, as lines."""
    counted = [day for day in days if day.customers is not None]
    last = counted[-1] if counted else DayCounts(0)
    given = dict.fromkeys(rule.tag for rule in rule_set.rules if rule.enabled)
    tags = sorted(given, key=lambda tag: -last.tagged.get(tag, 0))[:MAX_LINES]
    most = max((day.tagged.get(tag, 0) for day in counted for tag in tags), default=0)
    limit, step = nice_limit(most), 100 / max(1, len(days))

    def path(tag: str) -> str:
        commands, is_drawn = [], False
        for index, day in enumerate(days):
            if day.customers is None:
                is_drawn = False
                continue
            x, y = (index + 0.5) * step, 100 - 100 * day.tagged.get(tag, 0) / limit
            commands.append(f"{'L' if is_drawn else 'M'}{x:.2f} {y:.2f}")
            is_drawn = True
        return "".join(commands)

    parts = t.join_list([f"{tag} {_number(t, last.tagged.get(tag, 0))}" for tag in tags])
    shows = bool(counted and tags)
    return Plot(
        id="tags",
        title=t("load.tags"),
        summary=t("load.tier.text", day=_day(last, t), parts=parts) if shows else t("load.uncounted"),
        keys=tuple(
            Key(kind, tag, _number(t, last.tagged.get(tag, 0)))
            for kind, tag in zip(SERIES, tags, strict=False)
        ),
        scale=(_number(t, limit), "", "0"),
        days=_labels(days, t),
        header=(t("load.day"), *tags),
        rows=_table(counted, t, lambda day: tuple(_number(t, day.tagged.get(tag, 0)) for tag in tags)),
        lines=tuple(Line(kind, path(tag)) for kind, tag in zip(SERIES, tags, strict=False)) if shows else (),
    )


def sample_plots(t: Translator) -> tuple[Plot, ...]:
    """Pictures of made-up days, for the page of all components: columns, a tier, and one without numbers."""
    tier = Tier.model_validate(
        {
            "id": "sample",
            "levels": [
                {"tag": tag, "when": {"field": "orders_count", "op": "at_least", "value": number}}
                for tag, number in (("Gold", 9), ("Silver", 5), ("Bronze", 1))
            ],
        }
    )
    days = [
        DayCounts(
            739_000 + index,
            {TagOfRule("sample", "Gold"): TagChanges(40 + 9 * index % 31, 5 * index % 17)},
            customers=500,
            tagged={"Gold": 20 + index, "Silver": 60 + 2 * index, "Bronze": 140},
        )
        for index in range(30)
    ]
    plots = plot_changes(days, t), plot_tier(days, tier, t, language="en")
    return *plots, plot_tags([DayCounts(739_000)], RuleSet(), t)


def nice_limit(most: int) -> int:
    """A round number that is not below `most`: the top of a scale."""
    unit = 1
    while True:
        for tenths in NICE:
            if tenths * unit % 10 == 0 and tenths * unit >= 10 * most:
                return tenths * unit // 10
        unit *= 10


def _stacked(
    name: str,
    title: str,
    days: Sequence[DayCounts],
    t: Translator,
    *,
    series: Sequence[tuple[str, str]],
    values: Callable[[DayCounts], tuple[int, ...]],
    keys: Sequence[str],
    summary: str,
    label: Callable[[float], str] | None = None,
) -> Plot:
    """Columns of stacked parts, the first at the bottom. `series`: the colour and the name of each part."""
    written = label or (lambda value: _number(t, int(value)))
    limit = nice_limit(max((sum(values(day)) for day in days), default=0))

    def parts(day: DayCounts) -> Iterator[Part]:
        below = 0
        for (kind, _), value in zip(series, values(day), strict=True):
            if value:
                below += value
                yield Part(kind, 100 - 100 * below / limit, 100 * value / limit)

    def text(day: DayCounts) -> str:
        pairs = zip(series, values(day), strict=True)
        return ", ".join(f"{each} {written(value)}" for (_, each), value in pairs)

    return Plot(
        id=name,
        title=title,
        summary=summary,
        keys=tuple(Key(kind, each, value) for (kind, each), value in zip(series, keys, strict=True)),
        scale=(written(limit), "", "0"),
        days=_labels(days, t),
        header=(t("load.day"), *(each for _, each in series)),
        rows=_table(days, t, lambda day: tuple(map(written, values(day)))),
        columns=_columns(days, t, parts, text),
    )


def _columns(
    days: Sequence[DayCounts],
    t: Translator,
    parts: Callable[[DayCounts], Iterator[Part]],
    text: Callable[[DayCounts], str],
) -> tuple[Column, ...]:
    step = 100 / max(1, len(days))
    return tuple(
        Column(
            left=round(index * step, 3),
            step=round(step, 3),
            x=round(index * step + step * GAP / 2, 3),
            width=round(step * (1 - GAP), 3),
            parts=tuple(map(_visible, parts(day))),
            text=f"{_day(day, t)}: {text(day)}",
        )
        for index, day in enumerate(days)
    )


def _visible(part: Part) -> Part:
    """What is not nothing can be seen. A part below zero grows downwards."""
    more = max(0.0, MIN_HEIGHT - part.height)
    y = part.y if part.kind == "remove" else part.y - more
    return Part(part.kind, round(y, 3), round(part.height + more, 3))


def _table(
    days: Sequence[DayCounts], t: Translator, cells: Callable[[DayCounts], tuple[str, ...]]
) -> tuple[tuple[str, ...], ...]:
    return tuple((_day(day, t), *cells(day)) for day in reversed(days))


def _labels(days: Sequence[DayCounts], t: Translator) -> tuple[str, str, str]:
    if not days:
        return "", "", ""
    first, middle, last = (_date(t, max(1, day.day)) for day in (days[0], days[len(days) // 2], days[-1]))
    return first, middle, last


@lru_cache(maxsize=16_384)
def _number(t: Translator, number: int) -> str:
    """A number with separators. Most numbers of a picture repeat."""
    return t.number(number)


def _span(days: Sequence[DayCounts]) -> int:
    return sum(day.days for day in days)


def _day(day: DayCounts, t: Translator) -> str:
    text = _date(t, max(1, day.day))
    return text if day.days == 1 else t("load.week", day=text)


@lru_cache(maxsize=4096)
def _date(t: Translator, ordinal: int) -> str:
    """A day in words. Formatting one takes as long as drawing it, and every picture has the same days."""
    return t.day(date.fromordinal(ordinal))
