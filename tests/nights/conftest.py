"""What a person on call has: the alerts of Prometheus, the runbook that they link to, and the command line."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx2
import pytest

from tests.deploy.cli.environment import CommandResult, run_in_process
from tests.nights.prometheus import History, runbook_section
from tests.support.wait import wait_until
from tests.system.environment import System

METRICS_TOKEN = "metrics-token-0123"


@dataclass(slots=True)
class OnCall:
    """The person on call of a running system, with what Prometheus has scraped of it."""

    system: System
    history: History = field(default_factory=History)
    page: str = ""  # the section of the runbook to which the last alert links

    async def scrape(self) -> None:
        """Scrape the web process, as Prometheus does."""
        headers = {"Authorization": f"Bearer {METRICS_TOKEN}"}
        async with httpx2.AsyncClient(base_url=self.system.url) as client:
            text = (await client.get("/metrics", headers=headers)).text
        self.history.add(text, at_s=self.system.clock())

    async def scraped(self, name: str, **labels: str) -> None:
        """Wait until Prometheus has this series."""

        async def is_exported() -> bool:
            await self.scrape()
            return self.history.has(name, labels)

        await wait_until(is_exported, interval_s=0.5)

    async def is_alerted(self, name: str, **labels: str) -> bool:
        """Whether this alert of deploy/observability/rules.yml fires now."""
        await self.scrape()
        return await asyncio.to_thread(self.history.fires, name, labels)

    async def alerted(self, name: str, **labels: str) -> None:
        """Wait until the alert fires, and open the runbook where the alert links to."""
        await wait_until(  # what /metrics reads from Redis is up to 5 s old
            lambda: self.is_alerted(name, **labels), interval_s=0.5
        )
        self.page = runbook_section(name, labels)

    async def quiet(self, name: str, **labels: str) -> None:
        """Wait until the alert does not fire any more."""

        async def is_over() -> bool:
            return not await self.is_alerted(name, **labels)

        await wait_until(is_over, interval_s=0.5)

    async def run(self, *words: str, stdin: str = "") -> CommandResult:
        """Run a command that the opened page of the runbook names, and expect that it succeeds."""
        assert self.names(*words), (words, self.page)
        result = await asyncio.to_thread(run_in_process, words, stdin)
        assert result.code == 0, (words, result.out, result.err)
        return result

    def names(self, *words: str) -> bool:
        """Whether the opened page of the runbook names this command; arguments may differ."""
        return f"`tagger {' '.join(words[:2])}" in " ".join(self.page.split())


@pytest.fixture
def call_in(monkeypatch: pytest.MonkeyPatch) -> Callable[[System], OnCall]:
    """Call somebody to a system, and give the command line the settings of it."""
    if shutil.which("promtool") is None:
        pytest.skip("promtool is missing: apt-get install prometheus")

    def call(system: System) -> OnCall:
        for name, value in system.environ.items():
            monkeypatch.setenv(name, value)
        return OnCall(system)

    return call


CallIn = Callable[[System], OnCall]
