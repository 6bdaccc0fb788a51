"""Draws a Grafana dashboard as HTML: the layout, titles, units, thresholds and colours of its JSON, without Grafana."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from itertools import pairwise
from typing import Any, Final

CELL, GAP, WIDTH = 30, 8, 1_680  # of Grafana's grid, in pixels
COLUMNS: Final = 24
MIB: Final = 2**20
LINES: Final = ("#73bf69", "#5794f2", "#f2cc0c", "#ff780a", "#b877d9", "#f2495c", "#8ab8ff", "#37872d")
COLOURS: Final = {"green": "#2f8a3b", "yellow": "#b8860b", "red": "#c4162a", "blue": "#1f60c4"}
UNITS: Final = {"reqps": " req/s", "cps": " /s", "ops": " ops/s", "short": ""}
STYLE: Final = """
body { margin: 0; background: #111217; color: #ccccdc; font: 13px/1.35 Inter, "Noto Sans", sans-serif; }
main { position: relative; }
h1 { margin: 0; padding: 18px 16px 4px; font-size: 20px; font-weight: 500; color: #fff; }
.note { padding: 0 16px 14px; color: #9a9aab; }
.row, .panel { position: absolute; box-sizing: border-box; }
.row { padding: 5px 4px; font-size: 15px; font-weight: 500; color: #fff; }
.panel { background: #181b1f; border: 1px solid #2c3039; border-radius: 3px; padding: 6px 10px; overflow: hidden; }
.title { font-weight: 500; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.stat .value { height: calc(100% - 18px); display: grid; place-items: center; font-size: 40px; font-weight: 500; color: #fff; }
.stat { color: #fff; border-color: transparent; }
.legend { display: flex; flex-wrap: wrap; gap: 2px 14px; height: 34px; overflow: hidden; font-size: 12px; color: #b3b3c4; }
.legend i { display: inline-block; width: 14px; height: 3px; margin-right: 6px; vertical-align: middle; border-radius: 2px; }
svg { display: block; } text { fill: #8e8ea0; font-size: 11px; }
.empty { display: grid; place-items: center; height: 80%; color: #8e8ea0; font-size: 15px; }
table { width: 100%; border-collapse: collapse; margin-top: 8px; } td, th { text-align: left; padding: 6px 4px; border-bottom: 1px solid #2c3039; }
"""


@dataclass(frozen=True, slots=True)
class Line:
    """One series of a panel: its name in the legend, and its values by time in seconds."""

    name: str
    values: Mapping[float, float]
    labels: Mapping[str, str]


def draw_board(
    board: Mapping[str, Any],
    results: Mapping[int, Sequence[Line]],
    *,
    start_s: float,
    end_s: float,
    note: str,
) -> str:
    """A whole page. `results` has the lines of each panel by its position in the JSON."""
    bottom = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in board["panels"])
    panels = "".join(
        _draw(panel, results.get(number, ()), (start_s, end_s))
        for number, panel in enumerate(board["panels"])
    )
    return (
        f"<!doctype html><meta charset=utf-8><style>{STYLE}</style><h1>{escape(board['title'])}</h1>"
        f"<p class=note>{escape(note)}</p>"
        f'<main style="width:{WIDTH}px;height:{bottom * (CELL + GAP) + GAP}px">{panels}</main>'
    )


def name_of(legend: str, labels: Mapping[str, str]) -> str:
    """The name of a series: the legend with its labels filled in."""
    for label, value in labels.items():
        legend = legend.replace(f"{{{{{label}}}}}", value)
    return legend


def format_value(value: float, unit: str) -> str:
    """A value with its unit, as short as a person reads it."""
    if unit == "s":
        for least, factor, name in ((60, 1 / 60, " min"), (1, 1, " s"), (0, 1_000, " ms")):
            if value >= least or not least:
                return f"{_short(value * factor)}{name}" if value else "0 s"
    if unit == "bytes":
        return f"{_short(value / MIB)} MiB"
    if unit == "percentunit":
        return f"{_short(value * 100)} %"
    return f"{_short(value)}{UNITS.get(unit, '')}"


def _short(value: float) -> str:
    if value == round(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _draw(panel: Mapping[str, Any], lines: Sequence[Line], span: tuple[float, float]) -> str:
    position = panel["gridPos"]
    column = (WIDTH - GAP) / COLUMNS
    left, top = GAP + position["x"] * column, position["y"] * (CELL + GAP)
    width, height = position["w"] * column - GAP, position["h"] * (CELL + GAP) - GAP
    box = f"left:{left:.0f}px;top:{top}px;width:{width:.0f}px;height:{height}px"
    title = escape(panel["title"])
    if panel["type"] == "row":
        return f'<div class=row style="{box}">⌄ {title}</div>'
    if panel["type"] == "stat":
        value, colour = _stat(panel, lines)
        return (
            f'<div class="panel stat" style="{box};background:{colour}"><div class=title>{title}</div>'
            f"<div class=value>{escape(value)}</div></div>"
        )
    body = (
        _table(lines)
        if panel["type"] == "table"
        else _chart(panel, lines, span, width=width - 22, height=height - 66)
    )
    return f'<div class=panel style="{box}"><div class=title>{title}</div>{body}</div>'


def _stat(panel: Mapping[str, Any], lines: Sequence[Line]) -> tuple[str, str]:
    """The text and the colour of the last value, by the mappings and thresholds of the panel."""
    defaults = panel["fieldConfig"]["defaults"]
    known = [value for line in lines for value in [*line.values.values()][-1:] if math.isfinite(value)]
    value = known[-1] if known else float(defaults.get("noValue", 0))
    steps = defaults["thresholds"]["steps"]
    colour = [step["color"] for step in steps if step["value"] is None or value >= step["value"]][-1]
    texts = {
        key: option["text"]
        for mapping in defaults.get("mappings", ())
        for key, option in mapping["options"].items()
    }
    return texts.get(f"{value:g}", format_value(value, defaults.get("unit", ""))), COLOURS[colour]


def _table(lines: Iterable[Line]) -> str:
    rows = [line.labels for line in lines]
    names = sorted({name for row in rows for name in row})
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(row.get(name, ''))}</td>" for name in names) + "</tr>" for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def _chart(
    panel: Mapping[str, Any], lines: Sequence[Line], span: tuple[float, float], *, width: float, height: float
) -> str:
    defaults = panel["fieldConfig"]["defaults"]
    custom, unit = defaults["custom"], defaults.get("unit", "")
    lines = [line for line in lines if any(map(math.isfinite, line.values.values()))]
    if not lines:
        return "<div class=empty>No data</div>"
    is_stacked = custom["stacking"]["mode"] == "normal"
    floors: dict[float, float] = {}
    drawn: list[tuple[Line, dict[float, float], dict[float, float]]] = []
    for line in lines:
        known = {at: value for at, value in line.values.items() if math.isfinite(value)}
        below = {at: floors.get(at, 0.0) for at in known} if is_stacked else {}
        above = {at: value + below.get(at, 0.0) for at, value in known.items()}
        floors |= above
        drawn.append((line, below, above))
    highest = max(value for _, _, above in drawn for value in above.values())
    scale = MIB if unit == "bytes" else 60 if unit == "s" and highest >= 60 else 1
    ticks = [tick * scale for tick in _ticks(highest / scale)]
    left = 62.0

    def x(at: float) -> float:
        return left + (at - span[0]) / (span[1] - span[0]) * (width - left - 6)

    def y(value: float) -> float:
        return 8 + (1 - value / ticks[-1]) * (height - 30)

    grid = "".join(
        f'<line x1="{left}" x2="{width - 6:.0f}" y1="{y(tick):.1f}" y2="{y(tick):.1f}" stroke="#24272e"/>'
        f'<text x="{left - 8}" y="{y(tick) + 4:.1f}" text-anchor="end">{format_value(tick, unit)}</text>'
        for tick in ticks
    )
    marks = [span[0] + (span[1] - span[0]) * share for share in (0.1, 0.3, 0.5, 0.7, 0.9)]
    grid += "".join(
        f'<text x="{x(at):.0f}" y="{height - 4:.0f}" text-anchor="middle">{datetime.fromtimestamp(at):%H:%M:%S}</text>'  # noqa: DTZ006
        for at in marks
    )
    shapes, legend = "", ""
    for number, (line, below, above) in enumerate(drawn):
        colour = LINES[number % len(LINES)]
        for times in _without_gaps([*above]):
            points = " ".join(f"{x(at):.1f},{y(above[at]):.1f}" for at in times)
            if custom["fillOpacity"]:
                base = " ".join(f"{x(at):.1f},{y(below.get(at, 0.0)):.1f}" for at in reversed(times))
                opacity = custom["fillOpacity"] / 100
                shapes += f'<polygon points="{points} {base}" fill="{colour}" opacity="{opacity}"/>'
            shapes += f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.6"/>'
        legend += f'<span><i style="background:{colour}"></i>{escape(line.name)}</span>'
    return (
        f'<svg width="{width:.0f}" height="{height:.0f}">{grid}{shapes}</svg><div class=legend>{legend}</div>'
    )


def _without_gaps(times: list[float]) -> Iterator[list[float]]:
    """The times in runs, which end where values are missing."""
    step = min((after - before for before, after in pairwise(times)), default=0.0)
    begun = 0
    for number, (before, after) in enumerate(pairwise(times), start=1):
        if after - before > step * 1.5:
            yield times[begun:number]
            begun = number
    yield times[begun:]


def _ticks(highest: float) -> list[float]:
    """Round values from 0 to at least the highest."""
    if highest <= 0:
        return [0.0, 1.0]
    power = 10.0 ** math.floor(math.log10(highest / 4))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power * 4 >= highest)
    return [step * number for number in range(math.ceil(highest / step) + 1)]
