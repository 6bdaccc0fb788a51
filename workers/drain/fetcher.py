"""Fetching taken customers: fifty in one call, and one by one where a list did not answer what was asked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from service.domain.customers import CustomerId, CustomerRecord
from service.domain.sync import batch_size
from service.errors import CustomerNotFound, HaravanError, MalformedData, RateLimited, TokenRejected
from service.store.queue import Mark
from workers.haravan import Batch, Haravan, Permits, RateLimitExceeded, compare


@dataclass(slots=True)
class Fetched:
    """What came of a fetch. Whoever is in none of these was not asked for: there was no room for a call."""

    records: dict[CustomerId, CustomerRecord] = field(default_factory=dict)
    absent: set[CustomerId] = field(default_factory=set)  # 404
    unreadable: dict[CustomerId, str] = field(default_factory=dict)
    failed: dict[CustomerId, HaravanError] = field(default_factory=dict)
    batched: set[CustomerId] = field(default_factory=set)  # of those that failed: asked for with others
    listed: set[CustomerId] = field(default_factory=set)  # of the records: from a list, which may lag
    calls: int = 0  # that were answered as they should be
    wait_s: float | None = None  # set when there was no room for all
    stop: HaravanError | None = None  # what concerns the shop ended the fetch
    mismatched: bool = False  # a list brought somebody who was not asked for


class Fetcher:
    """Fetches for one turn. `singles`: this shop's lists are not to be trusted for a while."""

    def __init__(self, api: Haravan, permits: Permits, *, singles: bool) -> None:
        self._api = api
        self._permits = permits
        self._singles = singles or api.dialect.batch < 2

    async def fetch(self, taken: Sequence[Mark]) -> Fetched:
        """Fetch all of them as far as there is room and nothing stops the shop; raises only LockLost.

        What was fetched until then is good: no answer is thrown away. Failures stand beside their customer.
        """
        fetched = Fetched()
        groups = _groups(taken, most=1 if self._singles else self._api.dialect.batch)
        await self._all(groups, fetched)
        return fetched

    async def refetch(self, customers: Iterable[CustomerId]) -> Fetched:
        """One single GET each, for whoever looked older in a list than was told."""
        fetched = Fetched()
        await self._all([[customer] for customer in customers], fetched)
        return fetched

    async def _all(self, groups: Iterable[Sequence[CustomerId]], fetched: Fetched) -> None:
        try:
            for group in groups:
                await self._group(group, fetched)
        except RateLimitExceeded as exc:
            fetched.wait_s = exc.wait_s
        except (RateLimited, TokenRejected) as exc:
            fetched.stop = exc

    async def _group(self, group: Sequence[CustomerId], fetched: Fetched) -> None:
        if len(group) == 1:
            await self._single(group[0], fetched)
            return
        try:
            batch: Batch = await self._api.perform(self._api.dialect.by_ids(group), self._permits)
        except HaravanError as exc:
            _sort(exc, group, fetched)
            return
        fetched.calls += 1
        found = compare(group, batch)
        records = {CustomerId(one.customer.id): one for one in batch.records}
        fetched.records.update((one, records[one]) for one in records.keys() - found.unexpected)
        fetched.listed |= records.keys() - found.unexpected
        fetched.unreadable.update(
            (record.customer, record.reason)
            for record in batch.unreadable
            if record.customer is not None and record.customer not in found.unexpected
        )
        fetched.mismatched |= found.mismatched
        for customer in sorted(found.missing):
            await self._single(customer, fetched)

    async def _single(self, customer: CustomerId, fetched: Fetched) -> None:
        try:
            record = await self._api.perform(self._api.dialect.get(customer), self._permits)
        except CustomerNotFound:
            fetched.absent.add(customer)
            fetched.calls += 1
        except MalformedData as exc:
            fetched.unreadable[customer] = str(exc)
            fetched.calls += 1
        except HaravanError as exc:
            _sort(exc, [customer], fetched)
        else:
            fetched.calls += 1
            if record.customer.id == customer:
                fetched.records[customer] = record
            else:
                fetched.unreadable[customer] = "the API answered with another customer"


def merge(first: Fetched, second: Fetched) -> None:
    """Take over what a second look found."""
    settled = second.records.keys() | second.absent | second.unreadable.keys() | second.failed.keys()
    for customer in settled:
        _forget(first, customer)
    first.records.update(second.records)
    first.absent |= second.absent
    first.unreadable.update(second.unreadable)
    first.failed.update(second.failed)
    first.calls += second.calls
    first.wait_s = second.wait_s if first.wait_s is None else first.wait_s
    first.stop = first.stop or second.stop


def _forget(fetched: Fetched, customer: CustomerId) -> None:
    kinds: tuple[
        dict[CustomerId, CustomerRecord] | dict[CustomerId, str] | dict[CustomerId, HaravanError], ...
    ]
    kinds = (fetched.records, fetched.unreadable, fetched.failed)
    for kind in kinds:
        kind.pop(customer, None)
    fetched.absent.discard(customer)
    fetched.listed.discard(customer)
    fetched.batched.discard(customer)


def _sort(exc: HaravanError, customers: Iterable[CustomerId], fetched: Fetched) -> None:
    if concerns_the_shop(exc):
        raise exc
    asked = set(customers)
    fetched.failed.update(dict.fromkeys(asked, exc))
    if len(asked) > 1:
        fetched.batched |= asked


def concerns_the_shop(exc: HaravanError) -> bool:
    """Is this failure about the shop, and not about the customer that was asked for?"""
    return isinstance(exc, RateLimited | TokenRejected)


def _groups(taken: Sequence[Mark], *, most: int) -> list[list[CustomerId]]:
    """Those that failed before go in ever smaller groups, so that a record that spoils a batch ends up alone."""
    by_size: dict[int, list[CustomerId]] = {}
    for mark in taken:
        by_size.setdefault(batch_size(mark.attempts, maximum=most), []).append(mark.customer)
    groups: list[list[CustomerId]] = []
    for size, customers in sorted(by_size.items(), reverse=True):
        groups += [customers[start : start + size] for start in range(0, len(customers), size)]
    return groups
