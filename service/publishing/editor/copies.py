"""The shared working copy: opened from the live rules, saved rule by rule, undone, discarded.

Two people may edit different rules at once. A save is a conflict only if somebody else has saved the same rule or tier
since the form was loaded.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from service.context import Context
from service.domain.access import Actor
from service.domain.customers import OrgId
from service.domain.documents import canonical_json
from service.domain.rules import RuleSet
from service.errors import NotFound, Refused
from service.publishing import scheduled
from service.sentence import Sentence
from service.store import working_copies
from service.store.history import audit_log
from service.store.shops import Shop
from service.store.working_copies import Saver, WorkingCopy

KINDS: Final = ("rules", "tiers")
MAX_DOCUMENT: Final = 256 * 1024
MAX_ATTEMPTS: Final = 12  # of a save, while others save as well
BACKOFF_S, MAX_BACKOFF_S = 0.01, 0.3

Entry = dict[str, Any]
Document = dict[str, Any]


class EditConflict(Refused):
    """Somebody else has saved the same rule meanwhile. `theirs` is None if they deleted it."""

    def __init__(self, theirs: Entry | None, by: str) -> None:
        super().__init__(Sentence("{by} changed this rule meanwhile", by=by))
        self.theirs = theirs
        self.by = by


async def open_copy(context: Context, shop: Shop) -> WorkingCopy:
    """The stored working copy, or a new one of the live rules, with `rev` 0."""
    stored = await working_copies.load(context.redis, shop.org)
    if stored is not None:
        return stored
    parent = await context.versions.live_number(shop.org)
    return WorkingCopy(document=await live_document(context, shop, parent), parent=parent)


async def edit_scheduled(context: Context, org: OrgId, *, by: Actor) -> None:
    """Turn the scheduled publish back into the working copy. Raises Refused if there is a working copy already."""
    entry = await scheduled.load_scheduled(context, org)
    before = await open_copy(context, await context.shops.get_or_raise(org))
    copy = WorkingCopy(
        document=msgspec.json.decode(entry.document),
        rev=1,
        parent=entry.parent,
        by=by.name,
        at_ms=await context.now_ms(),
    )
    if before.rev or not await working_copies.save(context.redis, org, copy, before=before):
        raise Refused(Sentence("there is a draft already: publish or discard it first"))
    await scheduled.cancel_scheduled(context, org, by=by)


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

    def change(copy: WorkingCopy) -> Document | None:
        kind, index, stored = entry_of(copy.document, entry_id)
        if stored == entry:
            return None
        last = copy.savers.get(entry_id, Saver("", copy.by))
        is_own = last.editor == editor != ""  # an answer to an earlier save of this form may be lost
        if not (force or is_own or base == base_of(stored)):
            raise EditConflict(stored, last.by)
        entries = [*copy.document.get(kind, ())]
        entries[index : index + 1] = [entry] if entry is not None else []
        return {**copy.document, kind: entries}

    return await _change(context, shop, change, by=by, entry=entry_id, editor=editor)


async def add_entry(context: Context, shop: Shop, kind: str, entry: Entry, *, by: Actor) -> str:
    """Add a rule or tier under its id, or the id with a number if it is taken. Returns the id."""
    entry_id = ""

    def change(copy: WorkingCopy) -> Document:
        nonlocal entry_id
        entry_id = _free_id(copy.document, str(entry["id"]))
        return {**copy.document, kind: [*copy.document.get(kind, ()), entry | {"id": entry_id}]}

    await _change(context, shop, change, by=by)
    return entry_id


async def duplicate_entry(context: Context, shop: Shop, entry_id: str, *, by: Actor, suffix: str) -> str:
    """Add a copy of a rule or tier after it. `suffix` goes to its name and its tags. Returns the id. Raises NotFound."""
    new_id = ""

    def change(copy: WorkingCopy) -> Document:
        nonlocal new_id
        kind, index, entry = entry_of(copy.document, entry_id)
        new_id = _free_id(copy.document, entry_id)
        entries = [*copy.document[kind]]
        entries.insert(index + 1, _renamed(entry, suffix) | {"id": new_id})
        return {**copy.document, kind: entries}

    await _change(context, shop, change, by=by)
    return new_id


async def import_document(
    context: Context, shop: Shop, document: Document, *, by: Actor, is_whole: bool
) -> WorkingCopy:
    """Take the rules and tiers of a document into the working copy. Those with a known id replace the one of this id.

    `is_whole`: the document replaces everything, also the time zone.
    """

    def change(copy: WorkingCopy) -> Document:
        return document if is_whole else _merged(copy.document, document)

    return await _change(context, shop, change, by=by)


async def replace_document(
    context: Context,
    shop: Shop,
    document: Document,
    *,
    by: Actor,
    check: Callable[[WorkingCopy], None],
) -> WorkingCopy:
    """Replace the whole document of the working copy, as a program does it. People save rule by rule.

    `check` raises what it likes if the present copy is not the one that the document is made from.
    """
    copy = await open_copy(context, shop)
    check(copy)

    def change(copy: WorkingCopy) -> Document:
        check(copy)
        return document

    summary = Sentence("draft {draft} over version {number}", draft=copy.rev + 1, number=copy.parent)
    async with audit_log.recorded(context.redis, by, "replace_draft", org=shop.org, summary=summary):
        return await _change(context, shop, change, by=by)


async def undo(context: Context, org: OrgId, *, by: Actor) -> WorkingCopy | None:
    """Restore the working copy before the last save. None if nothing is left to undo."""
    return await working_copies.undo(context.redis, org, by=by.name, at_ms=await context.now_ms())


async def redo(context: Context, org: OrgId, *, by: Actor) -> WorkingCopy | None:
    """Restore the working copy before the last undo. None if nothing is left to redo."""
    return await working_copies.redo(context.redis, org, by=by.name, at_ms=await context.now_ms())


async def discard(
    context: Context, shop: Shop, *, by: Actor, check: Callable[[WorkingCopy], None] = lambda _: None
) -> None:
    """Throw the working copy away. The live rules stay as they are.

    `check` raises what it likes if the present copy is not the one that may be thrown away.
    """
    copy = await open_copy(context, shop)
    check(copy)
    if not copy.rev:
        return
    summary = Sentence("draft {draft} over version {number}", draft=copy.rev, number=copy.parent)
    async with audit_log.recorded(context.redis, by, "discard_draft", org=shop.org, summary=summary):
        while not await working_copies.remove(context.redis, shop.org, rev=copy.rev):
            copy = await open_copy(context, shop)
            check(copy)


async def use_live_parent(context: Context, shop: Shop, *, by: Actor) -> None:
    """Keep the working copy although another version was published since: its publish replaces that version."""
    if await working_copies.load(context.redis, shop.org) is None:
        return
    parent = await context.versions.live_number(shop.org)
    await _change(context, shop, lambda copy: copy.document, by=by, parent=parent)


async def _change(
    context: Context,
    shop: Shop,
    change: Callable[[WorkingCopy], Document | None],
    *,
    by: Actor,
    entry: str = "",
    editor: str = "",
    parent: int | None = None,
) -> WorkingCopy:
    """Save what `change` makes of the document. None: nothing has changed. Begins again while others save as well."""
    for attempt in range(MAX_ATTEMPTS):
        if attempt:  # full jitter: without it those who collided once collide again
            longest_s = min(BACKOFF_S * 2**attempt, MAX_BACKOFF_S)
            await asyncio.sleep(random.uniform(0, longest_s))  # noqa: S311  # no secret
        copy = await open_copy(context, shop)
        document = change(copy)
        if document is None:
            return copy
        if len(msgspec.json.encode(document)) > MAX_DOCUMENT:
            raise Refused(
                Sentence("the rules would be larger than 256 KiB: shorten lists of values, or delete rules")
            )
        saved = WorkingCopy(
            document=document,
            rev=copy.rev + 1,
            parent=copy.parent if parent is None else parent,
            by=by.name,
            at_ms=await context.now_ms(),
            savers={**copy.savers, entry: Saver(editor, by.name)} if entry else copy.savers,
            entry=entry,
        )
        if await working_copies.save(context.redis, shop.org, saved, before=copy):
            return saved
    raise Refused(Sentence("others are saving at the same moment: save again"))


def _merged(document: Document, imported: Document) -> Document:
    """The rules of a document with those of another: in their place if the id is known, otherwise at the end."""
    new = {entry["id"]: (kind, entry) for kind in KINDS for entry in imported.get(kind, ())}
    merged = dict(document)
    for kind in KINDS:
        kept = [
            new.pop(entry["id"])[1] if new.get(entry["id"], ("",))[0] == kind else entry
            for entry in document.get(kind, ())
        ]
        merged[kind] = [entry for entry in kept if entry["id"] not in new]  # it is of the other kind now
    for kind, entry in new.values():
        merged[kind] = [*merged[kind], entry]
    return merged


def _renamed(entry: Entry, suffix: str) -> Entry:
    """A copy with another name and other tags: two tiers may not share a tag, and two rules should not."""
    renamed = dict(entry)
    name = entry.get("name") or entry["id"]
    renamed["name"] = (
        {language: f"{text}{suffix}" for language, text in name.items()}
        if isinstance(name, dict)
        else f"{name}{suffix}"
    )
    if entry.get("tag"):
        renamed["tag"] = f"{entry['tag']}{suffix}"
    if "levels" in entry:
        renamed["levels"] = [level | {"tag": f"{level.get('tag', '')}{suffix}"} for level in entry["levels"]]
    return renamed


def _free_id(document: Mapping[str, Any], wanted: str) -> str:
    taken: Sequence[str] = [entry.get("id", "") for kind in KINDS for entry in document.get(kind, ())]
    number, free = 2, wanted
    while free in taken:
        number, free = number + 1, f"{wanted}-{number}"
    return free
