"""Notices: events of a shop that are no tag writes. Each is stored in the step that makes its change."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from service.domain.customers import OrgId
from service.store.client import keys

MAX_NOTICES: Final = 1_000  # of a shop; pause.lua has the same number
NAME: Final = "notices"


def queue_published(pipe: Any, org: OrgId, *, version: int, parent: int, by: str) -> None:
    """Add the command to a transaction that stores that a version is live."""
    data = msgspec.json.encode({"org": org, "version": version, "parent": parent, "by": by})
    fields = {"type": "rules.published", "data": data}
    pipe.xadd(keys.shop(org, NAME), fields, maxlen=MAX_NOTICES, approximate=True)
