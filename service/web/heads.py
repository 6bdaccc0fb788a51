"""The headers of a webhook that matter; none of them is signed (haravan.md, Webhooks)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from service.domain.deliveries import tidy_topic

MAX_ORG: Final = 19
ABSENT: Final = b""


class Head(NamedTuple):
    """The headers that matter; none of them is signed."""

    topic: str
    org: str  # "" when missing or not a number
    domain: str
    signature: bytes
    test: bool
    length: bytes


def read_head(headers: Sequence[tuple[bytes, bytes]]) -> Head:
    """Pick the headers that matter; the old name of the signature counts only where the new one is absent."""
    found = dict(reversed(headers))  # of a header that is sent twice the first counts
    org = found.get(b"x-haravan-org-id", ABSENT).strip()
    signature = found.get(b"x-haravan-hmacsha256")
    if signature is None:
        signature = found.get(b"x-haravan-hmac-sha256", ABSENT)
    return Head(
        topic=tidy_topic(found.get(b"x-haravan-topic", ABSENT)),
        org=org.decode() if len(org) <= MAX_ORG and org.isdigit() else "",
        domain=found.get(b"haravan-shop-domain", ABSENT).decode("latin-1"),
        signature=signature.strip(),
        test=found.get(b"x-haravan-test", ABSENT).strip().lower() == b"true",
        length=found.get(b"content-length", ABSENT),
    )
