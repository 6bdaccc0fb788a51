"""The dashboards and the alerts ask for what /metrics has, and each alert leads to a section of the runbook."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from arq.connections import ArqRedis

from tests.support.prometheus import query as query_labels
from tests.support.prometheus import scraping
from tests.support.shop import ORG
from tests.support.store import all_keys
from tests.support.wait import wait_until
from tests.system.environment import System, running

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / "deploy/observability"
RULES: Final = yaml.safe_load((FOLDER / "rules.yml").read_text(encoding="utf-8"))
ALERTS: Final = [rule for group in RULES["groups"] for rule in group["rules"]]
RULE_TESTS: Final = (FOLDER / "rules_test.yml").read_text(encoding="utf-8")
BOARDS: Final = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in FOLDER.glob("*.json")}
METRICS_TOKEN: Final = "metrics-token-0123"
SELECTOR: Final = re.compile(r"(tagger_\w+)(?:\{([^}]*)\})?")
MATCHER: Final = re.compile(r'(\w+)\s*(?:=|!=|=~|!~)\s*"')
GROUPING: Final = re.compile(r"\bby \(([^)]*)\)")
OF_HARAVAN: Final = frozenset(
    {"status"}
)  # a label whose values are Haravan's, so a short run lacks most of them
OF_PROMETHEUS: Final = frozenset({"instance"})

needs_promtool: Final = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is missing: apt-get install prometheus"
)
needs_prometheus: Final = pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="Prometheus is missing: apt-get install prometheus"
)


def panels(board: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The panels with queries."""
    yield from (panel for panel in board["panels"] if panel["type"] != "row")


def queries() -> dict[str, str]:
    """Every query by where it is, with Grafana's variables replaced."""
    found = {f"rules: {rule['alert']}": rule["expr"] for rule in ALERTS}
    for name, board in BOARDS.items():
        for annotation in board["annotations"]["list"]:
            found[f"{name}: {annotation['name']}"] = annotation["expr"]
        for panel in panels(board):
            for target in panel["targets"]:
                found[f"{name}: {panel['title']} {target['refId']}"] = target["expr"]
    return {
        place: query.replace("$__rate_interval", "1m").replace("$org", ORG) for place, query in found.items()
    }


def promtool(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603
        ["promtool", *words],  # noqa: S607
        cwd=FOLDER,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@asynccontextmanager
async def used_system(redis: ArqRedis, redis_url: str, queue_url: str) -> AsyncIterator[System]:
    """A running service that has written a tag."""
    async with running(redis, redis_url, queue_url, environ={"METRICS_TOKEN": METRICS_TOKEN}) as system:
        customer = system.haravan.create(total_spent=12_000_000)
        await system.settled()
        assert system.haravan.tags(customer) == {"VIP", "Bạc"}

        async def is_counted() -> bool:
            return b"tag_writes" in b"".join(
                [
                    name
                    for key in await all_keys(redis, "tagger:{p*}:counters")
                    for name in await redis.hkeys(key.decode())
                ]
            )

        await wait_until(is_counted)  # workers store their counts every second
        yield system


@pytest.mark.process
@pytest.mark.timeout(300)
@needs_prometheus
async def test_prometheus_answers_every_query_from_the_metrics_of_a_running_service(
    redis: ArqRedis, redis_url: str, queue_url: str, tmp_path: Path
) -> None:
    async with (
        used_system(redis, redis_url, queue_url) as system,
        scraping(tmp_path, system.url, token=METRICS_TOKEN) as client,
    ):
        for place, query in queries().items():
            await query_labels(client, query)
            labels: set[str] = set(OF_PROMETHEUS)
            for name, matchers in SELECTOR.findall(query):
                kept = [text for text in matchers.split(",") if not OF_HARAVAN & set(MATCHER.findall(text))]
                found = await query_labels(client, f"{name}{{{','.join(kept)}}}")
                assert found, f"{place}: /metrics has no {name}{{{matchers}}}"
                labels |= found[0].keys()
                assert set(MATCHER.findall(matchers)) <= labels, f"{place}: {name} has no such label"
            for group in GROUPING.findall(query):
                named = {label.strip() for label in group.split(",") if label.strip()}
                assert named <= labels, f"{place}: no metric of it has the labels {named - labels}"


@needs_promtool
def test_promtool_accepts_the_alerts() -> None:
    checked = promtool("check", "rules", "rules.yml")

    assert checked.returncode == 0, checked.stdout + checked.stderr


@needs_promtool
def test_the_alerts_are_raised_by_what_they_are_for() -> None:
    tested = promtool("test", "rules", "rules_test.yml")

    assert tested.returncode == 0, tested.stdout + tested.stderr


@needs_promtool
@pytest.mark.parametrize(("place", "query"), queries().items())
def test_every_query_is_an_expression_of_prometheus(place: str, query: str, tmp_path: Path) -> None:
    file = tmp_path / "rule.yml"
    rule = {"groups": [{"name": "query", "rules": [{"record": "query", "expr": query}]}]}
    file.write_text(json.dumps(rule), encoding="utf-8")

    checked = promtool("check", "rules", str(file))

    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_every_alert_is_tested_and_leads_to_a_section_of_the_runbook(rule: dict[str, Any]) -> None:
    start, _, anchor = rule["annotations"]["runbook_url"].partition("#")

    assert (
        f'alertname="{rule["alert"]}", alertstate="firing", severity="{rule["labels"]["severity"]}"'
        in RULE_TESTS
    )
    assert start == "{{ $externalLabels.tagger_runbook }}"
    assert anchor == "{{ $labels.kind }}" or anchor in anchors()
    assert {"summary", "description"} < rule["annotations"].keys()


def anchors() -> set[str]:
    """The anchors of the runbook's headings, as GitHub and GitLab make them."""
    text = (ROOT / "deploy/RUNBOOK.md").read_text(encoding="utf-8")
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title).strip().lower().replace(" ", "-") for title in titles}


def test_anchors_are_made_of_titles() -> None:
    assert {"webhook_signature_failures", "the-store-fills", "haravans-api-fails"} <= anchors()


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_a_dashboard_uses_the_chosen_data_source_and_describes_every_panel(board: dict[str, Any]) -> None:
    variables = {variable["name"] for variable in board["templating"]["list"]}
    text = json.dumps(board)

    assert set(re.findall(r'"uid": "\$\{(\w+)\}"', text)) == {"datasource"}
    assert set(re.findall(r"\$(?!__)(\w+)", text)) <= variables
    for panel in panels(board):
        assert panel["description"].endswith((".", ")")), panel["title"]
        assert panel["targets"], panel["title"]
    positions = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in board["panels"]]
    assert len(set(positions)) == len(positions)
