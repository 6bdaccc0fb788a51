"""The program `tagger` itself."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path


async def test_the_program_itself_starts_and_names_every_group() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "deploy.cli", "--help"),
        stdout=asyncio.subprocess.PIPE,
        env={"PYTHONPATH": str(Path(__file__).parents[3]), "COLUMNS": "160"},
    )
    out, _ = await process.communicate()

    assert process.returncode == 0
    for group in (
        "up",
        "shops",
        "rules",
        "subscription",
        "customers",
        "deliveries",
        "dead-letters",
        "replay",
    ):
        assert f" {group} " in out.decode()
