"""`tagger rules diff`. `history` is tested with the roll-back."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.deploy.cli.environment import (
    ORG,
    CliEnvironment,
    write_rules,
)

pytestmark = pytest.mark.usefixtures("vietnamese")


async def test_a_difference_is_printed_as_sentences_and_as_yaml(
    shop: CliEnvironment, tmp_path: Path, rules: Path
) -> None:
    await shop.tagger("rules", "publish", ORG, str(rules))
    none = await shop.tagger("rules", "diff", ORG)
    await shop.tagger("rules", "publish", ORG, str(write_rules(tmp_path, 9_000_000)))

    result = await shop.tagger("rules", "diff", ORG)
    as_yaml = await shop.tagger("rules", "diff", ORG, "2", "1", "--yaml")

    assert (none.code, "chưa có hai phiên bản" in none.err) == (1, True)
    assert "~ Khách VIP (đã sửa)" in result.out
    assert "  + Tổng chi tiêu từ 9.000.000 ₫ trở lên" in result.out
    assert as_yaml.out.startswith("--- v2\n+++ v1\n")
