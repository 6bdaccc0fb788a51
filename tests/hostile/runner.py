"""Runs the tables: each row once, all of them against the same servers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final

from tests.hostile import api_answers, http_requests, rule_documents, settings_rows, webhook_bodies
from tests.hostile.api_answers import running_api
from tests.hostile.edge import running_edge
from tests.hostile.verdict import Row, Verdict


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its rows, how one is run, and which server it needs."""

    rows: tuple[Row, ...]
    run: Callable[[Any, Any], Awaitable[Verdict]]
    server: str = ""  # `edge` or `api`


TABLES: Final[Mapping[str, Table]] = {
    webhook_bodies.TABLE: Table(webhook_bodies.ROWS, webhook_bodies.run, "edge"),
    api_answers.TABLE: Table(api_answers.ROWS, api_answers.run, "api"),
    http_requests.TABLE: Table(http_requests.ROWS, http_requests.run, "edge"),
    settings_rows.TABLE: Table(settings_rows.ROWS, settings_rows.run),
    rule_documents.TABLE: Table(rule_documents.ROWS, rule_documents.run),
}


async def verdicts(table: Table, *, part: int = 0, parts: int = 1) -> AsyncIterator[Verdict]:
    """The verdict of each row, or of every `parts`-th row from `part` on.

    A wrong row is run once more: on a busy machine a time limit of ours may end a connection that is only slow.
    """
    async with AsyncExitStack() as stack:
        server: Any = None
        if table.server == "edge":
            server = await stack.enter_async_context(running_edge())
        elif table.server == "api":
            server = await stack.enter_async_context(running_api())
        for row in table.rows[part::parts]:
            verdict = await table.run(server, row)
            yield verdict if verdict.is_right else await table.run(server, row)
