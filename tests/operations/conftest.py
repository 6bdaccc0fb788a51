"""The drain's stage, and its shop, as fixtures."""

from __future__ import annotations

import pytest

from service.store.shops.model import Shop
from tests.workers.conftest import stage
from tests.workers.stage import ORG, Stage

__all__ = ["stage"]


@pytest.fixture
async def shop(stage: Stage) -> Shop:  # the fixture above
    """The stage's shop."""
    return await stage.shops.get_or_raise(ORG)
