"""Keys that cost little: a key as it is shipped takes a tenth of a second and 64 MiB."""

from __future__ import annotations

from typing import Final

import pytest

from service.backup import encryption

SHIPPED_MEMORY_KIB: Final = encryption.MEMORY_KIB


@pytest.fixture(autouse=True)
def _cheap_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Derive keys with the least memory that Argon2 takes."""
    monkeypatch.setattr(encryption, "MEMORY_KIB", 8 * encryption.LANES)
