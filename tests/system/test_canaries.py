"""No process shows a secret or personal data: not in its log, not in its answers, not in its arguments."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from service.store.shops import ShopRepository
from tests.support import canaries
from tests.support.ports import free_port
from tests.support.processes import python_process
from tests.support.sender import signature
from tests.support.shop import KEY, ORG, OWN_SECRET
from tests.support.wait import wait_until

pytestmark = [pytest.mark.process, pytest.mark.timeout(600)]
SECRETS = {
    "HARAVAN_WEBHOOK_SECRETS": canaries.WEBHOOK_SECRET,
    "HARAVAN_VERIFY_TOKEN": canaries.VERIFY_TOKEN,
    "OPS_TOKENS": f"an={canaries.OPS_TOKEN}",
    "ALERT_URLS": "json://canary-alert-user:canary-alert-word@127.0.0.1:1",
}
PERSONAL = {
    "email": canaries.EMAIL,
    "phone": canaries.PHONE,
    "first_name": canaries.NAME,
    "note": canaries.NOTE,
}
BODY = json.dumps(PERSONAL | {"id": 7})
STORED_SECRETS = (KEY, OWN_SECRET, "t" * 20)  # the shop's access token is twenty t
UNREACHABLE = "redis://:canary-store-word@127.0.0.1:1/0"


@dataclass
class Web:
    """A web process, its log, and everything that it answered."""

    client: httpx2.AsyncClient
    pid: int
    log: Path
    answers: list[str]

    async def post(self, path: str, body: str, **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = await self.client.post(path, content=body.encode(), headers=named)
        self.answers.append(f"{answer.status_code} {answer.headers} {answer.text}")

    async def get(self, path: str, **headers: str) -> None:
        answer = await self.client.get(path, headers=headers)
        self.answers.append(f"{answer.status_code} {answer.headers} {answer.text}")

    def statuses(self) -> set[str]:
        return {answer[:3] for answer in self.answers}

    def arguments(self) -> list[str]:
        """The arguments of the process and of its children."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [canaries.process_arguments(pid) for pid in [self.pid, *map(int, children)]]


@asynccontextmanager
async def web(folder: Path, redis_url: str, queue_url: str) -> AsyncIterator[Web]:
    """The process that people run, with a secret in every setting that takes one."""
    port, log = free_port(), folder / "log"
    environ = SECRETS | {
        "REDIS_URL": redis_url,
        "QUEUE_URL": queue_url,
        "SECRET_KEY": KEY,
        "PORT": str(port),
        "DURABILITY": "everysec",
    }
    with python_process("-m", "service", environ=environ, log=log) as process:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=300) as client:

            async def is_up() -> bool:
                try:
                    return (await client.get("/healthz")).status_code == 200
                except httpx2.TransportError:
                    return False

            await wait_until(is_up, timeout_s=300)
            yield Web(client, process.pid, log, [])


async def request_everything(process: Web) -> None:
    """Right and wrong webhooks, handshakes and console requests, with secrets and personal data in each of them."""
    ops = f"Bearer {canaries.OPS_TOKEN}"
    shop = f"/ops/v1/shops/{ORG}"
    hook, cut = "/webhooks/haravan", BODY[:-1]
    head = {"X_Haravan_Topic": "customers/update", "X_Haravan_Org_Id": ORG}
    signed = signature(BODY.encode(), canaries.WEBHOOK_SECRET)
    await process.post(hook, BODY, X_Haravan_HmacSha256=signed, **head)
    await process.post(hook, BODY, X_Haravan_HmacSha256="canary", **head)
    await process.post(hook, cut, X_Haravan_HmacSha256=signature(cut.encode(), OWN_SECRET), **head)
    for token in (canaries.VERIFY_TOKEN, "canary"):
        await process.get(f"{hook}?hub.mode=subscribe&hub.verify_token={token}&hub.challenge=x")
    await process.get("/ops/v1/shops", Authorization="Bearer canary-wrong-token")
    for path in ("", "/deliveries", "/rules", "/customers/7", "/audit"):
        await process.get(f"{shop}{path}", Authorization=ops)
    await process.get("/ops/v1/shops", Authorization=ops)
    for path in ("pause", "rules/preview", "rules/publish", "replays"):
        await process.post(
            f"{shop}/{path}", BODY, Authorization=ops, Content_Type="application/json", If_Match="*"
        )
    for path in ("/metrics", "/readyz", "/ops/openapi.json"):
        await process.get(path)


def leaks(*texts: str) -> list[str]:
    return canaries.find_in_texts(texts, STORED_SECRETS)


async def test_nothing_leaks_while_the_store_answers(
    tmp_path: Path, shops: ShopRepository, redis_url: str, queue_url: str
) -> None:
    async with web(tmp_path, redis_url, queue_url) as process:
        await request_everything(process)
        arguments = process.arguments()

    assert len(arguments) >= 2  # the web process and those of its CPU pool
    assert process.statuses() >= {"200", "400", "401", "404"}
    assert leaks(process.log.read_text(), *process.answers, *arguments) == []


async def test_nothing_leaks_while_the_store_is_away(tmp_path: Path) -> None:
    async with web(tmp_path, UNREACHABLE, "") as process:
        await request_everything(process)
        arguments = process.arguments()

    assert process.statuses() >= {"200", "401", "503"}
    assert "store_unavailable" in process.log.read_text()
    assert leaks(process.log.read_text(), *process.answers, *arguments) == []


@pytest.mark.parametrize("module", ["service", "workers"])
async def test_a_wrong_setting_is_named_and_never_shown(module: str, tmp_path: Path) -> None:
    wrong = {
        "REDIS_URL": "canary://word@x",
        "SECRET_KEY": "canary-too-short",
        "OPS_TOKENS": "canary-without-a-name",
        "HOST": "canary host",
        "PORT": "canary",
        "HARAVAN_ACCESS_TOKEN": "canary-access-token",
        "RULES_FILE": "/canary/file",
    }
    log = tmp_path / "log"
    with python_process("-m", module, environ=wrong, log=log) as process:
        code = await asyncio.to_thread(process.wait, 120)

    assert code != 0
    assert unnamed(log.read_text(), wrong) == []
    assert leaks(log.read_text()) == []


def unnamed(text: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name not in text]
