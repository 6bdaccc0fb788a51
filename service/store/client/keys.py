"""Every Redis key and its lifetime. Keys are spelled here and in the scripts, nowhere else.

Shops are spread over 64 partitions. All keys of a partition have the same hash tag and so stand in one slot of a
cluster: `{p}` below is `tagger:{p17}:`, and `{shop}` is `tagger:{p17}:1000001:`. A script touches one slot only. It
declares two keys, the shop's prefix and `{shop}shop`; the names below are appended to the prefix. Two keys, because a
server that hands a slot over answers TRYAGAIN to a script whose declared keys are not all there; with one key that
never exists it would run the script without the shop's data.

Keys have no lifetime unless one is named.

    {p}shops                      set: the orgs of this partition
    {p}shops_revision            number: grows with every change of a shop's configuration
    {p}due_shops                  sorted set: org -> ms at which its work is due (the sweep reads it)
    {p}counters                   hash: counters of the workers that count in this partition, for /metrics
    {p}pending                    hash: org/kind/id -> a job that waits for a worker (JSON)
    {p}pending_lock:{org}         string: the worker that executes the shop's pending jobs; 10 s, renewed
    {p}last_server_time           number: the server's time as a sweep last saw it, in ms
    {p}rejected:{minute}          hash: rejected webhooks by org and reason; 1 day
    {shop}shop                    hash: name, dialect, address, zone, currency, encrypted token and secrets
    {shop}state                   hash: paused, removals_paused, breakers (…_failures, …_open_until), single_reads_until,
                                  live_backlog, customer_count, next_probe_ms, last_rejection, uninstall_…
    {shop}generation_seq          number: the last generation
    {shop}wakeup_seq              number: the last wake-up, so that a job's id is never used again
    {shop}mark:{customer}         hash: generation, position, enqueued_ms, lane, state, updated_ms, last_delivery, attempts,
                                  dequeued_ms, missing_since_ms, stale_reads, reasons, runs, plan, expected_digest, write_token
    {shop}ready:live, ready:bulk  sorted sets: ready customers by position
    {shop}planned:live, …:bulk    sorted sets: planned customers by position
    {shop}delayed                 sorted set: delayed customers by the ms at which they are due
    {shop}echo_digests            hash: customer -> digests that the last drain left
    {shop}latest_updated_at       hash: customer -> the newest `updated_at` of a webhook, in ms
    {shop}lease                   string: the holder's token; 15 s, renewed
    {shop}wakeup_pending          string: `now` or `delayed`, a wake-up is on its way; some seconds
    {shop}rate_limit              hash: the state of the rate limiter (queue/lua/_rate_limiter.lua)
    {shop}in_flight               sorted set: API calls in flight; each 15 s
    {shop}snapshots               hash: customer -> snapshot (msgpack)
    {shop}owned                   hash: customer -> tags that are ours (msgpack)
    {shop}intents                 hash: customer -> additions that were begun (msgpack)
    {shop}holds                   hash: customer -> keep and downgrade state (msgpack)
    {shop}pending_restores        hash: customer -> tags that a roll-back restores (msgpack); until they are settled
    {shop}reverts                 hash: customer -> when our tags were reverted (msgpack)
    {shop}unexplained_removals    hash: five-minute slot -> removals that nothing explains; 1 day
    {shop}exclusions              hash: customer -> rules that do not touch it (msgpack)
    {shop}tombstone:{customer}    string: ownership and holds of a deleted customer; 30 days
    {shop}nightly                 hash: the last nightly reconcile that was done: day, looked_ms, subscribed
    {shop}nightly:lock            string: the worker that does it; 2 min, renewed
    {shop}schedule                sorted set: customer -> ordinal day on which its tags may change by themselves
    {shop}deliveries              stream: deliveries, those of a batch in one record; RETENTION_DAYS
    {shop}deliveries_by_customer:{customer}
                                  list: ids of a customer's last 50 deliveries; RETENTION_DAYS
    {shop}rejection_streak        sorted set: the last webhooks rejected since one was accepted; 1 day
    {shop}delivery_ids:{day}      set: identities of deliveries, to label repeats; 3 days
    {shop}ledger                  stream: every tag that we wrote; 400 days
    {shop}ledger_by_customer      hash: customer -> ids of its last ledger entries; 400 days
    {shop}drift                   stream: tags that people changed by hand; 400 days, 100,000 at most
    {shop}drift_by_customer       hash: customer -> the last such change of each tag (msgpack); 400 days
    {shop}shadow_digests          hash: customer -> digest of the last logged decision of shadow mode
    {shop}retention_cursors       hash: how far the trimming of ledger_by_customer and drift_by_customer has come
    {shop}dead_letters            hash: customer -> its open dead letters by cause (JSON)
    {shop}live_version            number: the published version
    {shop}versions                hash: number -> version (JSON)
    {shop}inherited               hash: number -> what the version inherits from those before it (JSON)
    {shop}documents               hash: content id -> rules document (canonical JSON)
    {shop}run_seq                 number: the last run's
    {shop}runs                    sorted set: run id -> started ms
    {shop}guarded_runs            set: the runs of the latest publish and of claims since, whose removals are watched
    {shop}run:{id}                hash: a replay, publish, backfill …; 90 days
    {shop}run:{id}:remaining      set: its customers that are still to come; 90 days
    {shop}alert_sent:{kind}       string: this alert was sent a moment ago; 1 h
    {shop}audit                   stream: what people did; 400 days
"""

from __future__ import annotations

from binascii import crc_hqx
from typing import Final

from service.domain.customers import OrgId

PARTITIONS: Final = range(64)  # for ever: another number would move every shop

DAY_S: Final = 86_400
LEDGER_DAYS: Final = 400
RUN_DAYS: Final = 90


def partition_of(org: OrgId | str) -> int:
    """The partition of a shop: the CRC-16 that a Redis cluster computes slots with, modulo 64."""
    return crc_hqx(org.encode(), 0) % len(PARTITIONS)


def of_partition(number: int, name: str) -> str:
    """The key `name` of a partition."""
    return f"tagger:{{p{number}}}:{name}"


def of_partitions(name: str) -> list[str]:
    """The key `name` of every partition, in their order."""
    return [of_partition(number, name) for number in PARTITIONS]


def partition_key(org: OrgId | str, name: str) -> str:
    """The key `name` of the partition of this shop."""
    return of_partition(partition_of(org), name)


def shop(org: OrgId | str, name: str = "") -> str:
    """The key `name` of a shop; without a name the prefix of all its keys."""
    return f"tagger:{{p{partition_of(org)}}}:{org}:{name}"


def pending_lock(org: OrgId | str) -> str:
    """The lock of the shop's pending jobs; not among the shop's own keys, which one of the jobs erases."""
    return partition_key(org, f"pending_lock:{org}")


def of_script(org: OrgId | str) -> tuple[str, str]:
    """The two keys that every script of a shop declares."""
    prefix = shop(org)
    return prefix, f"{prefix}shop"
