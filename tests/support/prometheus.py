"""A real Prometheus, from Debian's package, which scrapes a web process and knows the alerts of this project."""

from __future__ import annotations

import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx2

from deploy.local.supervisor import die_with_parent
from tests.support.ports import free_port
from tests.support.processes import ROOT
from tests.support.wait import wait_until

RULES: Final = ROOT / "deploy/observability/rules.yml"


@asynccontextmanager
async def scraping(
    folder: Path, url: str, *, token: str, interval_s: int = 1
) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a Prometheus that scrapes this web process. It has scraped it once."""
    interval = f"{interval_s}s"
    config = {
        "global": {"scrape_interval": interval, "evaluation_interval": interval},
        "rule_files": [str(RULES)],
        "scrape_configs": [
            {
                "job_name": "tagger",
                "authorization": {"credentials": token},
                "static_configs": [{"targets": [url.removeprefix("http://")]}],
            }
        ],
    }
    (folder / "prometheus.yml").write_text(json.dumps(config), encoding="utf-8")  # YAML reads JSON
    port = free_port()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(  # noqa: ASYNC220, S603
            [  # noqa: S607
                "prometheus",
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=log,
            preexec_fn=die_with_parent(),  # noqa: PLW1509  # it calls one C function
        )
    try:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:

            async def has_scraped() -> bool:
                try:
                    ready = await client.get(
                        "/-/ready"
                    )  # before that, a query is answered 503 with a plain text
                    return ready.is_success and len(await query(client, 'up{job="tagger"} == 1')) == 1
                except httpx2.TransportError:
                    return False

            await wait_until(has_scraped, interval_s=0.2)
            yield client
    finally:
        process.terminate()
        process.wait()


async def query(client: httpx2.AsyncClient, expression: str) -> list[dict[str, str]]:
    """The labels of each series in the result of a query."""
    return [series["metric"] for series in await _result(client, "query", query=expression)]


async def query_range(
    client: httpx2.AsyncClient, expression: str, *, start_s: float, end_s: float, step_s: float
) -> list[dict[str, Any]]:
    """The series of a query over a time: each has `metric`, its labels, and `values`, pairs of a time and a text."""
    times = {"start": str(start_s), "end": str(end_s), "step": str(step_s)}
    return await _result(client, "query_range", query=expression, **times)


async def _result(client: httpx2.AsyncClient, path: str, **params: str) -> list[dict[str, Any]]:
    answer = (await client.get(f"/api/v1/{path}", params=params)).json()
    assert answer["status"] == "success", (params, answer)
    return list(answer["data"]["result"])
