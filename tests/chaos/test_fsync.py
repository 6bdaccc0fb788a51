"""If every fsync takes 0.4 s longer, the default setting still loses nothing that was acknowledged."""

from __future__ import annotations

import pytest

from tests.chaos.fsync import run_with_slow_fsync
from tests.chaos.shim import unavailable_reason


@pytest.mark.process
@pytest.mark.timeout(600)
@pytest.mark.skipif(bool(unavailable_reason()), reason=unavailable_reason())
async def test_on_a_slow_disk_acknowledgements_are_slower_and_none_is_lost() -> None:
    outcome = await run_with_slow_fsync("always", fsync_s=0.4, seconds=3)

    assert outcome.acknowledged > 0
    assert outcome.lost == 0
    assert outcome.median_ms > 300
