"""Prometheus for a night that takes a minute: what was scraped, at simulated times, and whether an alert fires for it.

`promtool test rules` evaluates the alert as it stands in deploy/observability/rules.yml. Hours lie between two scrapes of
a night, so the minutes between them are filled: counters grow evenly, and gauges keep their value.
"""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.support.processes import ROOT

RULES: Final = ROOT / "deploy/observability/rules.yml"
RUNBOOK: Final = ROOT / "deploy/RUNBOOK.md"
GROWING: Final = ("_total", "_bucket", "_sum", "_count")
TIMES: Final = "_timestamp_seconds"

Series = tuple[str, tuple[tuple[str, str], ...]]  # the name of a metric, and its labels


@dataclass(slots=True)
class History:
    """The scrapes by minute since the first one, at `began_s`. A second scrape within a minute replaces the first one."""

    began_s: float = 0.0
    scrapes: dict[int, dict[Series, float]] = field(default_factory=dict)

    def add(self, text: str, *, at_s: float) -> None:
        """Add what /metrics answered. Only the first scrape is of minute 0."""
        self.began_s = self.began_s if self.scrapes else at_s
        minute = max(1 if self.scrapes else 0, round((at_s - self.began_s) / 60))
        self.scrapes[minute] = {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def has(self, name: str, labels: Mapping[str, str]) -> bool:
        """Whether the last scrape has a series of this name with these labels."""
        series = self.scrapes[max(self.scrapes)]
        return any(each == name and labels.items() <= dict(stored).items() for each, stored in series)

    def fires(self, alert: str, labels: Mapping[str, str]) -> bool:
        """Whether the alert with these labels fires at the last scrape."""
        wanted = "".join(f',{name}="{value}"' for name, value in labels.items())
        firing = f'count(ALERTS{{alertname="{alert}",alertstate="firing"{wanted}}}) > bool 0'
        names = set(re.findall(r"tagger_\w+", rule(alert)["expr"]))
        last = max(self.scrapes)
        first = max(0, last - _minutes_looked_at(rule(alert)))
        test = {
            "interval": "1m",
            "input_series": [
                {
                    "series": _selector(series),
                    "values": " ".join([*self._values(series, clock_s=first * 60)][first:]),
                }
                for series in sorted({each for scrape in self.scrapes.values() for each in scrape})
                if series[0] in names
            ],
            "promql_expr_test": [
                {
                    "expr": firing,
                    "eval_time": f"{last - first}m",
                    "exp_samples": [{"labels": "{}", "value": 1}],
                }
            ],
        }
        rules = {"groups": [{"name": "night", "rules": [rule(alert)]}]}  # all of them would take a minute
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "rules.yml").write_text(json.dumps(rules), encoding="utf-8")  # YAML reads JSON
            file = Path(folder) / "test.yml"
            tests = {"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": [test]}
            file.write_text(json.dumps(tests), encoding="utf-8")
            return _promtool(str(file))

    def _values(self, series: Series, *, clock_s: float) -> Iterator[str]:
        """The values of all minutes; `_` where the series was not exported. Times count from `clock_s` after the beginning."""
        zero = (
            self.began_s + clock_s if series[0].endswith(TIMES) else 0.0
        )  # Prometheus' clock starts at 0 here
        minutes = sorted(self.scrapes)
        for before, after in itertools.pairwise([*minutes, minutes[-1] + 1]):
            start, end = self.scrapes[before].get(series), self.scrapes.get(after, {}).get(series)
            for step in range(after - before):
                if start is None:
                    yield "_"
                elif end is not None and series[0].endswith(GROWING):
                    yield repr(start + (end - start) * step / (after - before))
                else:
                    yield repr(start - zero)


@cache
def rule(alert: str) -> dict[str, Any]:
    """An alert of rules.yml."""
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    [found] = [rule for group in groups for rule in group["rules"] if rule["alert"] == alert]
    return dict(found)


def runbook_section(alert: str, labels: Mapping[str, str]) -> str:
    """The section of the runbook to which the alert links."""
    anchor = rule(alert)["annotations"]["runbook_url"].partition("#")[2]
    anchor = re.sub(r"{{ \$labels\.(\w+) }}", lambda found: labels[found[1]], anchor)
    for section in re.split(r"^#+ ", RUNBOOK.read_text(encoding="utf-8"), flags=re.MULTILINE):
        title, _, text = section.partition("\n")
        if re.sub(r"[^\w\- ]", "", title).strip().lower().replace(" ", "-") == anchor:
            return text
    raise AssertionError(f"the runbook has no section {anchor}")


def _minutes_looked_at(alert: Mapping[str, Any]) -> int:
    """How far back the alert looks, and half an hour more."""
    durations = re.findall(r"\[(\d+)([mhd])\]", alert["expr"] + f"[{alert.get('for', '0m')}]")
    return 30 + sum(int(number) * {"m": 1, "h": 60, "d": 1_440}[unit] for number, unit in durations)


def _selector(series: Series) -> str:
    name, labels = series
    return f"{name}{{{','.join(f'{label}={json.dumps(value)}' for label, value in labels)}}}"


def _promtool(file: str) -> bool:
    """Whether the expected samples are found. Raises AssertionError if promtool cannot read the test."""
    done = subprocess.run(  # noqa: S603
        ["promtool", "test", "rules", file],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if done.returncode:
        assert "got:" in done.stdout + done.stderr, done.stdout + done.stderr
    return done.returncode == 0
