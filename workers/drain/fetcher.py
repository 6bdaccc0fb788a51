"""Fetches dequeued customers: fifty in one call, and each by itself if the response does not match the request."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

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
from service.runtime import LateTasks
from service.sentence import Sentence
from service.store.client import batched
from service.store.queue import Mark
from workers.haravan import Batch, Haravan, Permits, RateLimitExceeded, compare

MAX_SINGLE_READS: Final = 8  # at the same time


@dataclass(slots=True)
class Fetched:
    """The results of a fetch by customer. A customer in none of them was not requested: the rate limit had no room."""

    records: dict[CustomerId, CustomerRecord] = field(default_factory=dict)
    missing: set[CustomerId] = field(default_factory=set)  # 404
    unreadable: dict[CustomerId, str] = field(default_factory=dict)
    failed: dict[CustomerId, HaravanError] = field(default_factory=dict)
    batched: set[CustomerId] = field(default_factory=set)  # of `failed`: requested together with others
    listed: set[CustomerId] = field(default_factory=set)  # of `records`: from a list, which may lag
    late: set[CustomerId] = field(default_factory=set)  # the read goes on
    successful_calls: int = 0
    wait_s: float | None = None  # until the rate limit has room for the rest
    stop: HaravanError | None = None  # a failure of the whole shop ended the fetch
    mismatched: bool = False  # most customers of a list were not requested

    @property
    def is_stopped(self) -> bool:
        """Whether no more calls may be made."""
        return self.wait_s is not None or self.stop is not None

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
        for customer in (
            other.records.keys() | other.missing | other.unreadable.keys() | other.failed.keys() | other.late
        ):
            self._discard(customer)
        self.records.update(other.records)
        self.missing |= other.missing
        self.unreadable.update(other.unreadable)
        self.failed.update(other.failed)
        self.late |= other.late
        self.successful_calls += other.successful_calls
        self.wait_s = other.wait_s if self.wait_s is None else self.wait_s
        self.stop = self.stop or other.stop

    def _discard(self, customer: CustomerId) -> None:
        self.records.pop(customer, None)
        self.unreadable.pop(customer, None)
        self.failed.pop(customer, None)
        for customers in (self.missing, self.listed, self.batched, self.late):
            customers.discard(customer)


class Fetcher:
    """Fetches for one drain. With `single_reads`, every customer is requested by itself.

    A single read that takes long goes on in `reads`: the others do not wait for it.
    """

    def __init__(
        self, api: Haravan, permits: Permits, reads: LateTasks[CustomerId, Fetched], *, single_reads: bool
    ) -> None:
        self._api = api
        self._permits = permits
        self._reads = reads
        self._batch_size = 1 if single_reads else api.dialect.batch

    async def fetch(self, marks: Sequence[Mark]) -> Fetched:
        """Fetch until the rate limit has no room or the shop fails. Raises only LeaseLost.

        All results until then are kept. The failure of a customer is one of its results.
        """
        fetched = Fetched()
        alone: list[CustomerId] = []
        try:
            for group in _groups(marks, maximum=self._batch_size):
                alone += await self._fetch_group(group, fetched)
        except RateLimitExceeded as exc:
            fetched.wait_s = exc.wait_s
        except (RateLimited, TokenRejected) as exc:
            fetched.stop = exc
        if not fetched.is_stopped:
            fetched.merge(await self.fetch_alone(alone))
        return fetched

    async def fetch_alone(self, customers: Sequence[CustomerId]) -> Fetched:
        """Fetch each customer by itself, some at the same time. Raises only LeaseLost."""
        fetched = Fetched(late=self._reads.late.keys() & set(customers))
        for some in batched([each for each in customers if each not in fetched.late], MAX_SINGLE_READS):
            ended = await self._reads.run({customer: self._fetch_single(customer) for customer in some})
            fetched.late |= set(some) - ended.keys()
            for task in ended.values():
                fetched.merge(task.result())
            if fetched.is_stopped:
                break
        return fetched

    async def _fetch_group(self, customers: Sequence[CustomerId], fetched: Fetched) -> list[CustomerId]:
        """Fetch a group by one call. Returns those that must be fetched by themselves."""
        if len(customers) == 1:
            return list(customers)
        try:
            batch: Batch = await self._api.perform(self._api.dialect.by_ids(customers), self._permits)
        except ResponseTooLarge:  # one of them is huge: halve the group at once until that one is alone
            middle = len(customers) // 2
            return [
                *await self._fetch_group(customers[:middle], fetched),
                *await self._fetch_group(customers[middle:], fetched),
            ]
        except HaravanError as exc:
            fetched.add_failure(customers, exc)
            return []
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
        return sorted(comparison.missing)

    async def _fetch_single(self, customer: CustomerId) -> Fetched:
        fetched = Fetched()
        try:
            record = await self._api.perform(self._api.dialect.get(customer), self._permits)
        except RateLimitExceeded as exc:
            fetched.wait_s = exc.wait_s
        except (RateLimited, TokenRejected) as exc:
            fetched.stop = exc
        except CustomerNotFound:
            fetched.missing.add(customer)
        except MalformedData as exc:
            fetched.unreadable[customer] = str(exc)
        except HaravanError as exc:
            fetched.failed[customer] = exc
        else:
            if record.customer.id == customer:
                fetched.records[customer] = record
            else:
                wrong = ApiUnavailable(Sentence("GET customer answered with another customer"), status=200)
                fetched.failed[customer] = wrong
        fetched.successful_calls = len(fetched.records) + len(fetched.missing) + len(fetched.unreadable)
        return fetched


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
