"""The runbook describes every metric, log event and alert of the code, and no others."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from service.doctor import COMMANDS, CONFIRMATIONS
from service.store.jobs import SHARED_METRICS

ROOT: Final = Path(__file__).parents[2]
RUNBOOK: Final = (ROOT / "deploy/RUNBOOK.md").read_text(encoding="utf-8")
LEVELS: Final = frozenset({"info", "warning", "error", "exception", "critical"})
LOGGED_BY_UVICORN: Final = {"Invalid HTTP request received."}
METRIC: Final = re.compile(r'(?:MetricFamily|Counter|Histogram)\(\s*"(tagger_\w+)"')
ALERT: Final = re.compile(r"^### `(\w+)`$", re.MULTILINE)


def sources() -> Iterator[ast.Module]:
    for folder in ("service", "workers"):
        for path in (ROOT / folder).rglob("*.py"):
            yield ast.parse(path.read_text(encoding="utf-8"))


def calls(names: frozenset[str], of: str = "") -> Iterator[str]:
    """The first argument of every call of a method with one of these names, where it is a text.

    Only calls of an object whose expression has `of` in it.
    """
    for tree in sources():
        constants = dict(texts(tree))
        for node in ast.walk(tree):
            match node:
                case ast.Call(func=ast.Attribute(value=called, attr=name), args=[first, *_]) if (
                    name in names and of in ast.unparse(called)
                ):
                    match first:
                        case ast.Constant(value=str(text)):
                            yield text
                        case ast.Name(id=constant):
                            yield from filter(None, [constants.get(constant)])


def texts(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """The module's constants that are texts."""
    for node in tree.body:
        match node:
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.Constant(value=str(text))):
                yield name, text


def literals() -> set[str]:
    """All texts in the code."""
    return {
        node.value
        for tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def missing(words: set[str]) -> set[str]:
    return {word for word in words if f"`{word}`" not in RUNBOOK}


def section(title: str) -> str:
    """The text of a section, with its subsections."""
    return RUNBOOK.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def described(title: str) -> set[str]:
    """The first column of the table in this section."""
    return set(re.findall(r"^\| `([^`]+)` \|", section(title), re.MULTILINE))


def test_the_runbook_describes_exactly_the_log_events_of_the_code() -> None:
    events = set(calls(LEVELS, of="log"))  # redis' clients have a method `info` too

    assert "drain" in events
    assert events <= described("Log events")
    for event in described("Log events") - events - LOGGED_BY_UVICORN:  # a name that a variable holds
        assert event in literals(), event


def test_the_runbook_describes_exactly_the_alerts_of_the_code() -> None:
    kinds = set(calls(frozenset({"raise_alert"})))

    assert "webhook_signature_failures" in kinds
    assert set(ALERT.findall(section("Alerts"))) == kinds
    assert {kind for (kind,) in SHARED_METRICS["alerts"].known} == kinds


def test_every_alert_says_what_happened_why_and_what_to_do() -> None:
    parts = re.split(r"^### ", section("Alerts"), flags=re.MULTILINE)[1:]

    assert len(parts) > 30
    for part in parts:
        title, *lines = part.splitlines()
        starts = [line.partition(".**")[0] for line in lines if line.startswith("- ")]
        assert starts == ["- **What happened", "- **Why", "- **What to do"], title


def test_the_runbook_describes_exactly_the_findings_of_the_doctor() -> None:
    confirmations = set(COMMANDS) - described("Findings")

    assert described("Findings") <= set(COMMANDS)
    assert confirmations == set(CONFIRMATIONS)


def test_the_runbook_describes_every_metric() -> None:
    names = {
        f"tagger_{name}" if metric.buckets else f"tagger_{name}_total"
        for name, metric in SHARED_METRICS.items()
    }
    for path in (ROOT / "service").rglob("*.py"):
        names.update(METRIC.findall(path.read_text(encoding="utf-8")))

    assert "tagger_deliveries_total" in names
    assert not missing(names)


def test_every_metric_in_the_runbook_exists() -> None:
    named = set(re.findall(r"`(tagger_\w+)`", RUNBOOK))
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "service").rglob("*.py"))

    for name in named:
        stem = name.removesuffix("_total")
        assert stem in code or stem.removeprefix("tagger_") in SHARED_METRICS, name
