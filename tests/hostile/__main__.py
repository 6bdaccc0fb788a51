"""`python -m tests.hostile [TABLE]...`: run the tables of hostile input and print what came of each row."""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import Annotated

import structlog
import typer

from deploy.cli.output import print_table
from tests.hostile.runner import TABLES, verdicts
from tests.hostile.verdict import Verdict


def main(
    tables: Annotated[list[str] | None, typer.Argument(help=f"Some of: {', '.join(TABLES)}.")] = None,
    *,
    wrong: Annotated[bool, typer.Option("--wrong", help="Show only the rows that are wrong.")] = False,
) -> None:
    """Run the tables. Exits with 1 if a row is wrong."""
    names = tables or list(TABLES)
    unknown = [name for name in names if name not in TABLES]
    if unknown:
        raise typer.BadParameter(f"unknown: {', '.join(unknown)}; known: {', '.join(TABLES)}")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.disable(logging.CRITICAL)
    results = [result for name in names for result in asyncio.run(_run(name))]
    shown = [result for result in results if not (wrong and result.is_right)]
    print_table(
        ("", "table", "row", "outcome", ">ms", "harmed"),
        [_line(result) for result in shown],
        empty="Every row is right.",
    )
    failed = sum(not result.is_right for result in results)
    sys.stdout.write(f"{len(results)} rows, {failed} wrong\n")
    raise typer.Exit(1 if failed else 0)


async def _run(name: str) -> list[Verdict]:
    return [result async for result in verdicts(TABLES[name])]


def _line(result: Verdict) -> tuple[str, ...]:
    outcome = result.got if result.got == result.expected else f"{result.got} (expected: {result.expected})"
    sign = "✔" if result.is_right else "✘"
    return (sign, result.table, result.row, outcome, f"{result.took_ms:.0f}", ", ".join(result.harmed))


if __name__ == "__main__":
    typer.run(main)
