"""A second reading of a body that is not quite JSON, so that one customer's broken text is not everybody's.

Half a character (a name cut in the middle of an emoji), a bare control character or a NaN anywhere in a page
makes it malformed as a whole; here each of its objects is written anew, and only the broken ones stay broken.
"""

from __future__ import annotations

import json
from typing import Final

from service.domain.money import exact_decimal

BROKEN: Final = b""  # stands for an object that cannot be written as UTF-8; no reader takes it


def reread(body: bytes, key: str) -> list[tuple[bytes, object]] | None:
    """The objects under `key` (one, or a list), each as clean JSON and with its id; None if there is no hope."""
    try:
        content = json.loads(body, parse_float=exact_decimal, strict=False)
    except ValueError:
        return None
    found = content.get(key) if isinstance(content, dict) else None
    if not isinstance(found, list | dict):
        return None
    objects = found if isinstance(found, list) else [found]
    return [(_clean(each), each.get("id") if isinstance(each, dict) else None) for each in objects]


def _clean(each: object) -> bytes:
    try:
        return json.dumps(each, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError:
        return BROKEN
