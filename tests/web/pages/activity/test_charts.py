"""Pictures stay in their frame, have a scale that people can read, and say what they show."""

from __future__ import annotations

import pytest

from service.domain.documents.parser import parse_rules
from service.locales import translator_for
from service.store.history import DayCounts, TagChanges, TagOfRule
from service.web.pages.activity.charts import (
    Plot,
    nice_limit,
    plot_age,
    plot_backlog,
    plot_calls,
    plot_changes,
    plot_tags,
    plot_tier,
)

FIRST = 739_000
VIP = TagOfRule("vip", "VIP")
T = translator_for("en")
RULES = parse_rules("""
version: 1
rules:
  - {id: vip, tag: VIP, when: {field: total_spent, op: at_least, value: 5}}
  - {id: new, tag: New, when: {field: orders_count, op: at_most, value: 1}}
tiers:
  - id: level
    name: {vi: Hạng, en: Level}
    levels:
      - {tag: Gold, when: {field: total_spent, op: at_least, value: 9}}
      - {tag: Silver, when: {field: total_spent, op: at_least, value: 4}}
""")


def days(*changes: tuple[int, int]) -> list[DayCounts]:
    return [DayCounts(FIRST + n, {VIP: TagChanges(*change)}) for n, change in enumerate(changes)]


def counted(*tagged: dict[str, int] | None) -> list[DayCounts]:
    return [
        DayCounts(FIRST + n, customers=None if each is None else 500, tagged=each or {})
        for n, each in enumerate(tagged)
    ]


def fits(plot: Plot) -> bool:
    """Whether every part is in its column, and every column in the frame."""
    return all(
        -1 <= part.y <= 100 and part.y + part.height <= 101
        for column in plot.columns
        for part in column.parts
    ) and all(0 <= column.left <= column.x and column.x + column.width <= 100.01 for column in plot.columns)


@pytest.mark.parametrize(
    ("most", "limit"),
    [(0, 1), (1, 1), (3, 3), (7, 8), (11, 12), (13, 15), (450, 500), (999, 1000), (41_000, 50_000)],
)
def test_a_scale_ends_at_a_round_number(most: int, limit: int) -> None:
    assert nice_limit(most) == limit


def test_added_tags_grow_upwards_and_removed_ones_downwards_in_one_scale() -> None:
    plot = plot_changes(days((100_000, 0), (1, 0), (0, 50_000)), T)

    assert fits(plot)
    assert plot.scale == ("100,000", "", "−50,000")
    assert plot.axis == pytest.approx(66.667, abs=0.01)
    large, small, removed = (column.parts[0] for column in plot.columns)
    assert (large.kind, large.y, small.height) == ("add", 0, 0.8)  # what is not nothing can be seen
    assert (removed.kind, removed.y, removed.height) == ("remove", 66.667, 33.333)
    assert plot.summary == (
        "3 days: 100,001 tags added, 50,000 removed. The most on 27 Apr 2024: 100,000 changes."
    ).replace("27 Apr 2024", plot.rows[-1][0])
    assert plot.rows[0][1:] == ("0", "50,000")


def test_without_removals_nothing_lies_below_zero() -> None:
    plot = plot_changes(days((3, 0)), T)

    assert (plot.axis, plot.scale) == (100, ("3", "", "0"))


def test_levels_of_a_tier_are_stacked_and_days_without_a_walk_are_empty() -> None:
    [tier] = RULES.tiers
    plot = plot_tier(
        counted({"Gold": 5, "Silver": 20}, None, {"Gold": 10, "Silver": 30}), tier, T, language="en"
    )

    assert fits(plot)
    assert [len(column.parts) for column in plot.columns] == [2, 0, 2]
    gold, silver = plot.columns[2].parts
    assert (gold.kind, gold.y, silver.y) == ("series-1", 75, 0)
    assert plot.title == "Level"
    assert plot.summary.endswith("Gold 10 and Silver 30")
    assert [(key.name, key.value) for key in plot.keys] == [("Gold", "10"), ("Silver", "30")]


def test_lines_have_gaps_where_nothing_was_counted() -> None:
    plot = plot_tags(counted({"VIP": 10, "New": 100}, None, {"VIP": 20}, {"VIP": 40, "New": 100}), RULES, T)

    assert [key.name for key in plot.keys] == ["New", "VIP"]  # the most frequent first
    assert plot.lines[1].path == "M12.50 90.00M62.50 80.00L87.50 60.00"
    assert [row[1:] for row in plot.rows] == [("100", "40"), ("0", "20"), ("100", "10")]


@pytest.mark.parametrize("kind", ["tier", "tags"])
def test_before_the_first_night_a_picture_says_when_it_is_counted(kind: str) -> None:
    nothing = counted(None, None)
    plot = (
        plot_tier(nothing, RULES.tiers[0], T, language="en")
        if kind == "tier"
        else plot_tags(nothing, RULES, T)
    )

    assert plot.is_empty
    assert "every night" in plot.summary


def test_calls_backlog_and_age_say_their_worst_day() -> None:
    counts = [
        DayCounts(FIRST, live_calls=3_456, bulk_calls=0, backlog=7, oldest_s=3),
        DayCounts(FIRST + 1, live_calls=100, bulk_calls=20, backlog=1_200, oldest_s=65),
    ]

    calls = plot_calls(counts, T, per_day=345_600)
    backlog = plot_backlog(counts, T)
    age = plot_age(counts, T, length=lambda seconds: f"{seconds} s")

    assert fits(calls)
    assert "3,576 calls in 2 days" in calls.summary
    assert "1 % of what a day allows" in calls.summary
    assert "1,200" in backlog.summary
    assert "65 s" in age.summary
    assert age.scale == ("80 s", "", "0")
