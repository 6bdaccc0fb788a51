"""The shared working copy: opened from the live rules, saved rule by rule, undone, discarded.

Two people may edit different rules at once. A save is a conflict only if somebody else has saved the same rule or tier
since the form was loaded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from service.context import Context
from service.domain.access import Actor
from service.domain.customers import OrgId
from service.domain.documents import canonical_json
from service.domain.rules import RuleSet
from service.errors import NotFound, Refused
from service.sentence import Sentence
from service.store import working_copies
from service.store.history import audit_log
from service.store.shops import Shop
from service.store.working_copies import WorkingCopy

KINDS: Final = ("rules", "tiers")
MAX_DOCUMENT: Final = 256 * 1024
MAX_ATTEMPTS: Final = 5  # of a save, while others save as well

Entry = dict[str, Any]


class EditConflict(Refused):
    """Somebody else has saved the same rule meanwhile. `theirs` is None if they deleted it."""

    def __init__(self, theirs: Entry | None, by: str) -> None:
        super().__init__(f"{by} changed this rule meanwhile")
        self.theirs = theirs
        self.by = by


async def open_copy(context: Context, shop: Shop) -> WorkingCopy:
    """The stored working copy, or a new one of the live rules, with `rev` 0."""
    stored = await working_copies.load(context.redis, shop.org)
    if stored is not None:
        return stored
    parent = await context.versions.live_number(shop.org)
    return WorkingCopy(document=await live_document(context, shop, parent), parent=parent)


async def live_document(context: Context, shop: Shop, number: int) -> dict[str, Any]:
    """The document of a version as plain data; of version 0 one without rules."""
    rule_set = (
        await context.versions.document(shop.org, number)
        if number
        else RuleSet(timezone=shop.timezone, currency=shop.currency)
    )
    document: dict[str, Any] = msgspec.json.decode(canonical_json(rule_set))
    return document


def entry_of(document: Mapping[str, Any], entry_id: str) -> tuple[str, int, Entry]:
    """The list, the index and the data of a rule or tier. Raises NotFound."""
    for kind in KINDS:
        for index, entry in enumerate(document.get(kind, ())):
            if entry.get("id") == entry_id:
                return kind, index, entry
    raise NotFound(Sentence("the draft has no rule {entry}", entry=entry_id[:80]))


def base_of(entry: Entry | None) -> str:
    """What a form is based on: a hash of the rule as it was loaded."""
    return hashlib.sha256(msgspec.json.encode(entry, order="sorted")).hexdigest()[:16]


async def save_entry(
    context: Context,
    shop: Shop,
    entry_id: str,
    entry: Entry | None,
    *,
    by: Actor,
    editor: str,
    base: str,
    force: bool = False,
) -> WorkingCopy:
    """Save a rule or tier, valid or not. None deletes it. `editor` is the id of the open form.

    Raises EditConflict unless `force`, NotFound, and Refused for a document that is too large.
    """
    for _ in range(MAX_ATTEMPTS):
        copy = await open_copy(context, shop)
        kind, index, stored = entry_of(copy.document, entry_id)
        if stored == entry:
            return copy
        is_own = copy.editors.get(entry_id) == editor  # an answer to an earlier save of this form may be lost
        if not (force or is_own or base == base_of(stored)):
            raise EditConflict(stored, copy.by)
        entries = [*copy.document.get(kind, ())]
        entries[index : index + 1] = [entry] if entry is not None else []
        document = {**copy.document, kind: entries}
        saved = await _save(context, shop.org, copy, document, {**copy.editors, entry_id: editor}, by)
        if saved is not None:
            return saved
    raise Refused(Sentence("others are saving at the same moment: save again"))


async def add_entry(context: Context, shop: Shop, kind: str, entry: Entry, *, by: Actor) -> str:
    """Add a rule or tier under its id, or the id with a number if it is taken. Returns the id."""
    for _ in range(MAX_ATTEMPTS):
        copy = await open_copy(context, shop)
        entry_id = _free_id(copy.document, str(entry["id"]))
        document = {**copy.document, kind: [*copy.document.get(kind, ()), entry | {"id": entry_id}]}
        if await _save(context, shop.org, copy, document, copy.editors, by) is not None:
            return entry_id
    raise Refused(Sentence("others are saving at the same moment: save again"))


async def undo(context: Context, org: OrgId, *, by: Actor) -> WorkingCopy | None:
    """Restore the working copy before the last save. None if nothing is left to undo."""
    return await working_copies.undo(context.redis, org, by=by.name, at_ms=await context.now_ms())


async def discard(context: Context, org: OrgId, *, by: Actor) -> None:
    """Throw the working copy away. The live rules stay as they are."""
    copy = await working_copies.load(context.redis, org)
    if copy is None:
        return
    summary = Sentence("draft {draft} over version {number}", draft=copy.rev, number=copy.parent)
    async with audit_log.recorded(context.redis, by, "discard_draft", org=org, summary=summary):
        await working_copies.remove(context.redis, org)


async def use_live_parent(context: Context, shop: Shop, *, by: Actor) -> None:
    """Keep the working copy although another version was published since: its publish replaces that version."""
    copy = await working_copies.load(context.redis, shop.org)
    if copy is None:
        return
    parent = await context.versions.live_number(shop.org)
    moved = msgspec.structs.replace(copy, parent=parent)
    if await _save(context, shop.org, moved, copy.document, copy.editors, by) is None:
        raise Refused(Sentence("others are saving at the same moment: try again"))


async def _save(
    context: Context,
    org: OrgId,
    before: WorkingCopy,
    document: dict[str, Any],
    editors: dict[str, str],
    by: Actor,
) -> WorkingCopy | None:
    if len(msgspec.json.encode(document)) > MAX_DOCUMENT:
        raise Refused(
            Sentence("the rules would be larger than 256 KiB: shorten lists of values, or delete rules")
        )
    saved = WorkingCopy(
        document=document,
        rev=before.rev + 1,
        parent=before.parent,
        by=by.name,
        at_ms=await context.now_ms(),
        editors=editors,
    )
    return saved if await working_copies.save(context.redis, org, saved) else None


def _free_id(document: Mapping[str, Any], wanted: str) -> str:
    taken: Sequence[str] = [entry.get("id", "") for kind in KINDS for entry in document.get(kind, ())]
    number, free = 2, wanted
    while free in taken:
        number, free = number + 1, f"{wanted}-{number}"
    return free
