"""On a disk whose every fsync takes 0.4 s, the default setting loses nothing that was acknowledged."""

from __future__ import annotations

import pytest

from tests.chaos.fsync import slowed
from tests.chaos.shim import why_not


@pytest.mark.timeout(600)
@pytest.mark.skipif(bool(why_not()), reason=why_not())
async def test_on_a_slow_disk_acknowledgements_are_slower_and_none_is_lost() -> None:
    outcome = await slowed("always", fsync_s=0.4, seconds=3)

    assert outcome.acknowledged > 0
    assert outcome.lost == 0
    assert outcome.median_ms > 300
