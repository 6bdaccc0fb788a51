"""What a person on call has: the metrics, and the command line."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.deploy.cli.environment import CommandResult, run_in_process
from tests.support.wait import wait_until
from tests.system.environment import System

METRICS_TOKEN = "metrics-token-0123"


@dataclass(frozen=True, slots=True)
class OnCall:
    """The person on call of a running system."""

    system: System

    async def run(self, *words: str, stdin: str = "") -> CommandResult:
        """Run a command of the runbook, and expect that it succeeds."""
        result = await asyncio.to_thread(run_in_process, words, stdin)
        assert result.code == 0, (words, result.out, result.err)
        return result

    async def metric(self, name: str, **labels: str) -> float:
        """The sum of the samples with these labels, as Prometheus scrapes them."""
        headers = {"Authorization": f"Bearer {METRICS_TOKEN}"}
        async with httpx2.AsyncClient(base_url=self.system.url) as client:
            text = (await client.get("/metrics", headers=headers)).text
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    async def alerted(self, kind: str) -> None:
        """Wait until the alert is raised."""

        async def is_raised() -> bool:
            return await self.metric("tagger_alerts_total", kind=kind) > 0

        await wait_until(is_raised, interval_s=0.5)  # what /metrics reads from Redis is up to 5 s old


@pytest.fixture
def call_in(monkeypatch: pytest.MonkeyPatch) -> Callable[[System], OnCall]:
    """Give the command line the settings of a system."""

    def call(system: System) -> OnCall:
        for name, value in system.environ.items():
            monkeypatch.setenv(name, value)
        return OnCall(system)

    return call


CallIn = Callable[[System], OnCall]
