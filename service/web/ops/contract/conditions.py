"""Conditional requests (RFC 9110, section 13): ETags of answers, `If-None-Match` of reads, `If-Match` of changes.

The ETag of rules is the number of their version, such as "v41". That of any other answer is a digest of its bytes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from service.sentence import Sentence
from service.store.rules import RulesChanged
from service.store.working_copies import WorkingCopy
from service.web.ops.contract.requests import Request
from service.web.problems import Problem

ANY: Final = "*"
MAX_HEADER: Final = 1_000  # characters
_TAG: Final = re.compile(r'(?:W/)?"[\x21\x23-\x7e]{0,200}"')


def draft_etag(copy: WorkingCopy) -> str:
    """The ETag of the draft of the rules. One that nobody has changed is that of the live version."""
    return f'"d{copy.rev}.{copy.parent}.{copy.at_ms}"'


def version_etag(number: int) -> str:
    """The ETag of a version of the rules; 0: no rules."""
    return f'"v{number}"'


def digest_etag(body: bytes) -> str:
    """The ETag of an answer by its bytes."""
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def parse_tags(name: str, header: str | None) -> list[str]:
    """The tags of a header, `["*"]` for any, none without the header. Raises Problem 400."""
    if header is None:
        return []
    tags = [tag.strip() for tag in header[:MAX_HEADER].split(",")]
    if tags != [ANY] and not (len(header) <= MAX_HEADER and all(map(_TAG.fullmatch, tags))):
        raise Problem(
            "invalid-header", f'`{name}` is wrong: send an ETag as it was received, such as "v41", or *'
        )
    return tags


def is_unchanged(etag: str, if_none_match: Sequence[str]) -> bool:
    """Whether the client has this answer already (weak comparison)."""
    return if_none_match == [ANY] or etag in [tag.removeprefix("W/") for tag in if_none_match]


def check_version(request: Request, live: int) -> None:
    """Check `If-Match` against the live version. Raises Problem 412 with both versions, unless one of the tags is its ETag."""
    if is_fulfilled(request, version_etag(live)):
        return
    raise Problem(
        "version-changed",
        Sentence(
            "version {parent} is live, you began from {began}: look at what changed",
            parent=live,
            began=", ".join(request.if_match),
        ),
        headers={"ETag": version_etag(live)},
        members={"live": version_etag(live), "expected": list(request.if_match)},
    )


@contextmanager
def over_version(request: Request, live: int) -> Iterator[None]:
    """The block changes the rules over the version `live`, as far as `If-Match` allows it.

    Raises Problem 412 like `check_version`, also if another version goes live before the block has written.
    """
    check_version(request, live)
    try:
        yield
    except RulesChanged as exc:
        check_version(request, exc.live)
        raise


def check_draft(request: Request, copy: WorkingCopy) -> None:
    """Check `If-Match` against the draft. Raises Problem 412 with the ETags of both."""
    etag = draft_etag(copy)
    if not is_fulfilled(request, etag):
        raise Problem(
            "version-changed",
            Sentence("the draft has changed since you read it"),
            headers={"ETag": etag},
            members={"live": etag, "expected": list(request.if_match)},
        )


def is_fulfilled(request: Request, etag: str) -> bool:
    """Whether `If-Match` is absent, is `*`, or has this ETag."""
    return not request.if_match or request.if_match == [ANY] or etag in request.if_match
