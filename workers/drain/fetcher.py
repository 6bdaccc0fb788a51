"""Fetches dequeued customers: fifty in one call, and one by one if the response does not match the request."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from service.domain.customers import CustomerId, CustomerRecord
from service.domain.sync import batch_size
from service.errors import (
    ApiUnavailable,
    CustomerNotFound,
    HaravanError,
    MalformedData,
    RateLimited,
    ResponseTooLarge,
    TokenRejected,
)
from service.store.queue import Mark
from workers.haravan import Batch, Haravan, Permits, RateLimitExceeded, compare


@dataclass(slots=True)
class Fetched:
    """The results of a fetch by customer. A customer in none of them was not requested: the rate limit had no room."""

    records: dict[CustomerId, CustomerRecord] = field(default_factory=dict)
    missing: set[CustomerId] = field(default_factory=set)  # 404
    unreadable: dict[CustomerId, str] = field(default_factory=dict)
    failed: dict[CustomerId, HaravanError] = field(default_factory=dict)
    batched: set[CustomerId] = field(default_factory=set)  # of `failed`: requested together with others
    listed: set[CustomerId] = field(default_factory=set)  # of `records`: from a list, which may lag
    successful_calls: int = 0
    wait_s: float | None = None  # until the rate limit has room for the rest
    stop: HaravanError | None = None  # a failure of the whole shop ended the fetch
    mismatched: bool = False  # most customers of a list were not requested

    def add_failure(self, customers: Iterable[CustomerId], exc: HaravanError) -> None:
        """Record the failure of a call. Raises it if it concerns the whole shop."""
        if isinstance(exc, RateLimited | TokenRejected):
            raise exc
        requested = set(customers)
        self.failed.update(dict.fromkeys(requested, exc))
        if len(requested) > 1:
            self.batched |= requested

    def merge(self, other: Fetched) -> None:
        """Replace the results of all customers that `other` has results for."""
        for customer in other.records.keys() | other.missing | other.unreadable.keys() | other.failed.keys():
            self._discard(customer)
        self.records.update(other.records)
        self.missing |= other.missing
        self.unreadable.update(other.unreadable)
        self.failed.update(other.failed)
        self.successful_calls += other.successful_calls
        self.wait_s = other.wait_s if self.wait_s is None else self.wait_s
        self.stop = self.stop or other.stop

    def _discard(self, customer: CustomerId) -> None:
        self.records.pop(customer, None)
        self.unreadable.pop(customer, None)
        self.failed.pop(customer, None)
        for customers in (self.missing, self.listed, self.batched):
            customers.discard(customer)


class Fetcher:
    """Fetches for one drain. With `single_reads`, every customer is requested by itself."""

    def __init__(self, api: Haravan, permits: Permits, *, single_reads: bool) -> None:
        self._api = api
        self._permits = permits
        self._batch_size = 1 if single_reads else api.dialect.batch

    async def fetch(self, marks: Sequence[Mark]) -> Fetched:
        """Fetch until the rate limit has no room or the shop fails. Raises only LeaseLost.

        All results until then are kept. The failure of a customer is one of its results.
        """
        return await self._fetch_groups(_groups(marks, maximum=self._batch_size))

    async def refetch(self, customers: Iterable[CustomerId]) -> Fetched:
        """Fetch each customer by itself, because its record in the list is older than its webhook."""
        return await self._fetch_groups([customer] for customer in customers)

    async def _fetch_groups(self, groups: Iterable[Sequence[CustomerId]]) -> Fetched:
        fetched = Fetched()
        try:
            for group in groups:
                await self._fetch_group(group, fetched)
        except RateLimitExceeded as exc:
            fetched.wait_s = exc.wait_s
        except (RateLimited, TokenRejected) as exc:
            fetched.stop = exc
        return fetched

    async def _fetch_group(self, customers: Sequence[CustomerId], fetched: Fetched) -> None:
        if len(customers) == 1:
            await self._fetch_single(customers[0], fetched)
        else:
            await self._fetch_batch(customers, fetched)

    async def _fetch_batch(self, customers: Sequence[CustomerId], fetched: Fetched) -> None:
        try:
            batch: Batch = await self._api.perform(self._api.dialect.by_ids(customers), self._permits)
        except ResponseTooLarge:  # one of them is huge: halve the group at once until that one is alone
            middle = len(customers) // 2
            await self._fetch_group(customers[:middle], fetched)
            await self._fetch_group(customers[middle:], fetched)
            return
        except HaravanError as exc:
            fetched.add_failure(customers, exc)
            return
        fetched.successful_calls += 1
        comparison = compare(customers, batch)
        fetched.mismatched |= comparison.mismatched
        for record in batch.records:
            customer = CustomerId(record.customer.id)
            if customer not in comparison.unexpected:
                fetched.records[customer] = record
                fetched.listed.add(customer)
        for unreadable in batch.unreadable:
            if unreadable.customer is not None and unreadable.customer not in comparison.unexpected:
                fetched.unreadable[unreadable.customer] = unreadable.reason
        for customer in sorted(comparison.missing):
            await self._fetch_single(customer, fetched)

    async def _fetch_single(self, customer: CustomerId, fetched: Fetched) -> None:
        try:
            record = await self._api.perform(self._api.dialect.get(customer), self._permits)
        except CustomerNotFound:
            fetched.missing.add(customer)
        except MalformedData as exc:
            fetched.unreadable[customer] = str(exc)
        except HaravanError as exc:
            fetched.add_failure([customer], exc)
            return
        else:
            if record.customer.id != customer:
                wrong = ApiUnavailable("GET customer answered with another customer", status=200)
                fetched.add_failure([customer], wrong)
                return
            fetched.records[customer] = record
        fetched.successful_calls += 1


def _groups(marks: Sequence[Mark], *, maximum: int) -> list[list[CustomerId]]:
    """Groups of one call each. The more often customers failed, the smaller their group.

    So a record that fails its whole batch is soon alone.
    """
    by_size: dict[int, list[CustomerId]] = {}
    for mark in marks:
        by_size.setdefault(batch_size(mark.attempts, maximum=maximum), []).append(mark.customer)
    groups: list[list[CustomerId]] = []
    for size, customers in sorted(by_size.items(), reverse=True):
        groups += [customers[start : start + size] for start in range(0, len(customers), size)]
    return groups
