"""Restoring: what is missing comes back, and what exists stays as it is.

A restore never overwrites the data of a shop. To go back to a backup, remove the shop first. After a restore every customer
is read again, so that tags become what the restored rules say, and customers that Haravan has deleted meanwhile are
erased.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from service.backup.encryption import Secret
from service.backup.file import Contents, Section, read_records
from service.backup.records import SectionEnd, SectionStart
from service.context import Context
from service.cpu_pool import CpuRunner
from service.domain.access import Actor
from service.domain.customers import OrgId
from service.errors import NotFound, Refused
from service.publishing import freeze
from service.sentence import Sentence
from service.store import scheduled
from service.store.backup import Part, Staging, customers_with_state, has_data, has_entries
from service.store.client import SERVICE, keys
from service.store.encryption import KeyRing
from service.store.history import audit_log
from service.store.jobs import PendingJob, pending, runs

BY: Final = "restore"

Action = Literal["create", "keep"]


@dataclass(frozen=True, slots=True)
class SectionPlan:
    """What a restore does with a section: `create` it, or `keep` what exists, because it has data."""

    section: Section
    action: Action


async def plan_restore(
    context: Context, contents: Contents, *, shop: OrgId | None = None, without_secret_key: bool = False
) -> tuple[SectionPlan, ...]:
    """What a restore of everything, or of one shop, would do.

    Raises NotFound if the backup does not have the shop. Raises Refused for a shop that has data, for a backup of another
    layout, and if SECRET_KEY lacks the key that protects the tokens of a shop, unless `without_secret_key`.
    """
    _check_layout(contents)
    wanted = [section for section in contents.sections if shop in (None, section.org)]
    if not wanted:
        raise NotFound(Sentence("the backup does not have shop {org}", org=str(shop)))
    plans = [SectionPlan(section, await _action(context, section)) for section in wanted]
    if shop is not None and plans[0].action == "keep":
        raise Refused(
            Sentence(
                "shop {org} has rules or customers, and a restore overwrites nothing. To go back to the backup, remove the shop first: tagger shops remove {org}",
                org=shop,
            )
        )
    if not without_secret_key:
        _check_keys([plan.section for plan in plans if plan.action == "create"], context.shops.keyring)
    return tuple(plans)


async def restore(
    context: Context,
    path: Path,
    secret: Secret,
    plans: Sequence[SectionPlan],
    *,
    at: str,
    by: Actor,
    on_entries: Callable[[int], None] = lambda _: None,
) -> None:
    """Restore the sections that are to be created. `at`: when the backup was made, for the audit log.

    Each shop appears in one step, with everything or not at all. A restore that is interrupted can be repeated.
    `on_entries` gets the number of entries written so far. Raises Refused if a shop got data meanwhile.
    """
    created = {plan.section.org for plan in plans if plan.action == "create"}
    written = 0
    staging: Staging | None = None
    for record in read_records(path, secret):
        match record:
            case SectionStart(org=org):
                staging = Staging(context.redis, org) if org in created else None
                current = org
            case Part() if staging is not None:
                await staging.write(record)
                written += len(record.entries)
                on_entries(written)
            case SectionEnd() if staging is not None:
                async with _recorded(context, current, at=at, by=by):
                    if not await staging.apply():
                        await staging.discard()
                        raise Refused(
                            Sentence(
                                "{what} got data meanwhile; nothing of it was restored", what=_named(current)
                            )
                        )


@asynccontextmanager
async def _recorded(context: Context, org: OrgId, *, at: str, by: Actor) -> AsyncIterator[None]:
    """Record the restore in the chain of the service. That chain itself is restored before anything can follow in it."""
    summary = Sentence("{what}, from the backup of {at}", what=_named(org), at=at)
    if org != SERVICE:
        async with audit_log.recorded(context.redis, by, "restore", summary=summary):
            yield
        return
    yield
    await audit_log.record(context.redis, by, "restore", summary=summary)


async def execute_restored(context: Context, _: CpuRunner, job: PendingJob) -> bool:
    """The pending job of a restored shop: mark every customer that the backup has data of, and store the shop's other jobs.

    A reconcile reads the customers that Haravan lists. These may be others: those that were deleted meanwhile.
    """
    shop = await context.shops.describe(job.org)
    customers = await customers_with_state(context.redis, job.org)
    if customers and shop.first_look == "complete":
        run_id = await runs.create(
            context.redis,
            job.org,
            kind="replay",
            by=BY,
            reason="restored from a backup",
            now_ms=await context.now_ms(),
        )
        await runs.mark(context.redis, job.org, run_id, customers, kind="replay")
    entry = await scheduled.load(context.redis, job.org)
    async with context.redis.pipeline() as pipe:
        pending.queue_delete(pipe, job)
        if shop.freeze is not None:
            freeze.queue_job(pipe, job.org, shop.freeze)
        if entry is not None:
            scheduled.queue_save(pipe, job.org, entry)
        await pipe.execute()
    return True


async def _action(context: Context, section: Section) -> Action:
    """An existing shop without data is filled, if the backup has something to fill it with."""
    if await has_data(context.redis, section.org):
        return "keep"
    exists = section.org != SERVICE and await context.shops.exists(section.org)
    return "keep" if exists and not has_entries(section.counts) else "create"


def _check_layout(contents: Contents) -> None:
    start = contents.start
    if start.layout != keys.LAYOUT:
        raise Refused(
            Sentence(
                "the backup was made by version {program} with layout {layout} of the store; this program has layout {ours}. Restore it with that version, then update and run: tagger migrate",
                program=start.program,
                layout=start.layout,
                ours=keys.LAYOUT,
            )
        )


def _check_keys(sections: Sequence[Section], keyring: KeyRing) -> None:
    known = set(keyring.fingerprints)
    locked = [
        section for section in sections if section.fingerprints and not known & set(section.fingerprints)
    ]
    if locked:
        names = ", ".join(section.org for section in locked)
        prints = ", ".join(sorted({each for section in locked for each in section.fingerprints}))
        raise Refused(
            Sentence(
                "the tokens of {shops} are protected by another SECRET_KEY, with the fingerprint {fingerprint}. Put that key behind the present one (SECRET_KEY=present,other), restore, and run: tagger keys rotate. If it is lost, restore with --without-secret-key, and store each token again: tagger shops token ORG",
                shops=names,
                fingerprint=prints,
            )
        )


def _named(org: OrgId) -> Sentence:
    if org == SERVICE:
        return Sentence("users, tokens and audit log of the service")
    return Sentence("shop {org}", org=org)
