"""Every Redis key and its lifetime. Only this module and the scripts spell keys.

Shops are spread over 64 partitions. All keys of a partition have the same hash tag and therefore the same slot of a
cluster. Below, `{p}` stands for `tagger:{p17}:` and `{shop}` for `tagger:{p17}:1000001:`. A script touches one slot
only. It declares two keys, the shop's prefix and `{shop}shop`, and appends the names below to the prefix. It takes two
keys because the prefix alone never exists: a server that migrates the slot would run the script without the shop's
data. With `{shop}shop` declared as well, it replies TRYAGAIN.

A key without a lifetime below does not expire.

    {p}shops                      set: the orgs of this partition
    {p}shops_revision             number: grows with every change of a shop's configuration
    {p}due_shops                  sorted set: org -> ms at which its work is due (the sweep reads it)
    {p}counters                   hash: counters of the processes that chose this partition, for /metrics
    {p}event_shops                set: the orgs of this partition that have endpoints, or had some
    {p}pending                    hash: org/kind/id -> pending job (JSON)
    {p}pending_lock:{org}         string: the worker that executes the shop's pending jobs; 10 s, renewed
    {p}haravan_lock:{org}         string: the same for the jobs that speak to Haravan, such as scans; 10 s, renewed
    {p}last_server_time           number: the server's time when a sweep last saved it, in ms
    {p}turn:{work}                string: set while another worker does this periodic work; 0.9 of its interval
    {p0}store                     hash: id (random, of this data), run_id (of the server that was checked last), layout (of
                                  the data), migrating (the layout that a migration is about to reach), and the marks of
                                  a move to another store (move/marks.py)
    {p}store_losses               hash: when the store lost data and what was done (JSON); 7 days
    {p}transaction:{id}           number: which attempt of a transaction that watches keys was executed; 1 min
    {p}erased_ms                  number: when data of this partition was last erased, in ms
    {p0}aof_rewrite               hash: for each server when its last rewrite of the file began, or why there was none
    {p0}aof_rewrite_lock          string: set while a worker waits for a rewrite; 11 min
    {shop}shop                    hash: name, dialect, address, zone, currency, sealed token and secret, data_id (random, of
                                  this shop's data: new when a shop is added again or restored)
    {shop}data_keys               hash: id -> data key, wrapped by a key of SECRET_KEY; it seals what is called sealed here
    {shop}state                   hash: paused, removals_paused, breakers (…_failures, …_open_until), single_reads_until,
                                  live_backlog, customer_count, snapshots_version, next_probe_ms, suspect_is_next,
                                  …_rejection, uninstall_…
    {shop}first_look              string: `waiting` for approval or `complete`; nothing until the first walk is complete
    {shop}freeze                  string: the days of a freeze, and whether its end waits for an approval (JSON)
    {shop}generation_seq          number: the last generation
    {shop}wakeup_seq              number: the last wake-up; no job id is used twice
    {shop}mark:{customer}         hash: generation, position, enqueued_ms, lane, state, updated_ms, last_delivery, attempts,
                                  dequeued_ms, missing_since_ms, stale_reads, reasons, runs, plan, expected_digest, write_token
    {shop}ready:live, ready:bulk  sorted sets: ready customers by position
    {shop}planned:live, …:bulk    sorted sets: planned customers by position
    {shop}delayed                 sorted set: delayed customers by the ms at which they are due
    {shop}unsettled               hash: dequeued customer -> token of the drain that has not settled it yet
    {shop}suspects                hash: customer -> drains in a row that ended badly while they held it
    {shop}echo_digests            hash: customer -> digests of the states that the last drain left
    {shop}latest_updated_at       hash: customer -> the newest `updated_at` of a webhook, in ms
    {shop}lease                   string: the holder's token; 15 s, renewed
    {shop}lease_process           string: the channel to which the holder's process is subscribed while it lives; 1 min
    {shop}wakeup_pending          string: `now` or `delayed`, set while a wake-up is enqueued; some seconds
    {shop}rate_limit              hash: the state of the rate limiter (queue/lua/_rate_limiter.lua)
    {shop}in_flight               sorted set: API calls in flight; each 15 s
    {shop}snapshots               hash: customer -> snapshot (msgpack), its personal part sealed
    {shop}owned                   hash: customer -> ownership of tags (msgpack)
    {shop}intents                 hash: customer -> intents: additions that were started (msgpack)
    {shop}holds                   hash: customer -> keep and downgrade state (msgpack)
    {shop}pending_restores        hash: customer -> tags that a roll-back restores (msgpack), until they are settled
    {shop}reverts                 hash: customer -> when our tags were reverted (msgpack)
    {shop}unexplained_removals    hash: five-minute slot -> number of unexplained removals; 1 day
    {shop}exclusions              hash: customer -> rules that the customer is excluded from (comma-joined)
    {shop}tombstone:{customer}    string: ownership and holds of a deleted customer; 30 days
    {shop}erased:{customer}       string: set when the customer is erased or deleted; what was read before is not stored; 1 day
    {shop}subscription            string: what is known of the webhook subscription, and what was asked for last (JSON)
    {shop}nightly                 hash: the last complete nightly reconcile: day, looked_ms, subscribed
    {shop}reconcile_requests      set: the ms since which a change of the store requires a reconcile
    {shop}nightly:lock            string: the worker that runs it; 2 min, renewed
    {shop}scanned_page            set: the customers of the page that a scan is reading
    {shop}schedule                sorted set: customer -> ordinal day on which its tags may change without an event
    {shop}deliveries              stream: deliveries, one record for a batch; RETENTION_DAYS
    {shop}deliveries_by_customer:{customer}
                                  list: ids of a customer's last 50 deliveries; RETENTION_DAYS
    {shop}rejections              hash: refused webhooks by reason since the last accepted one: count, first_ms, last_ms;
                                  7 days. The shop `-` stands for all that are not configured
    {shop}orgs                    hash, of the shop `unknown` only: signed webhooks of shops that are not configured; 7 days
    {shop}rejection_streak        sorted set: webhooks rejected since the last accepted one; 1 day
    {shop}delivery_ids:{day}      set: identities of deliveries, which find repeats; 3 days
    {shop}repeats:{day}           hash: identity -> repeats of a delivery of that day; RETENTION_DAYS
    {shop}delivery_counts         hash: day -> deliveries that are kept, and `total`
    {shop}ledger                  stream: every tag that we added or removed; 400 days
    {shop}ledger_by_customer      hash: customer -> ids of its last ledger entries; 400 days
    {shop}day_counts:{day}        hash: what happened on an ordinal day of the shop: tags added and removed, API calls by lane,
                                  backlog, customers with a tag (history/day_counts.py); 400 days
    {shop}drift                   stream: manual changes of tags; 400 days, at most 100,000
    {shop}drift_by_customer       hash: customer -> the last manual change of each tag (msgpack); 400 days
    {shop}shadow_digests          hash: customer -> digest of the last logged decision of shadow mode
    {shop}retention_cursors       hash: scan cursors of the trimming of ledger_by_customer and drift_by_customer
    {shop}dead_letters            hash: customer -> its open dead letters by cause (JSON)
    {shop}notices                 stream: events that are no tag writes: a publish, a pause; the last 1,000
    {shop}endpoints               hash: id -> endpoint that gets the shop's events (JSON), its secrets sealed
    {shop}endpoint_seq            number: the last endpoint
    {shop}endpoint_states         hash: id -> how far the events of an endpoint are delivered (JSON)
    {shop}endpoint_lock:{id}      string: the worker that sends to an endpoint; 40 s, renewed
    {shop}dead_events:{id}        stream: events that an endpoint rejected; the last 1,000
    {shop}event_retries:{id}      list: rejected events that are sent again
    {shop}live_version            number: the published version
    {shop}versions                hash: number -> version (JSON)
    {shop}inherited               hash: number -> what the version inherits from earlier ones (JSON)
    {shop}documents               hash: content id -> rules document (canonical JSON)
    {shop}working_copy            string: the draft of the rules that people edit (JSON), until it is published or discarded
    {shop}working_copy_undo       list: the last 50 drafts before it (JSON)
    {shop}working_copy_redo       list: drafts that were undone since the last save (JSON)
    {shop}editing                 hash: id of an open editor -> its rule, who opened it, since and last seen ms; 90 s
    {shop}review                  string: which content of the draft was previewed, over which version, and when (JSON)
    {shop}task:{name}             string: the progress and the result of work for one page (JSON); 1 min, then 1 h
    {shop}token_check:{id}        string: an access token that is checked, sealed with a key of its own (msgpack); 1 min
    {shop}token_answer:{id}       string: what Haravan says about it (msgpack); 1 min
    {shop}approval_request        string: the person who asks for approval, and the content (JSON); 30 days
    {shop}scheduled_publish       string: the rules that are published at a set time, or why that was stopped (JSON)
    {shop}run_seq                 number: the last run
    {shop}runs                    sorted set: run id -> started ms
    {shop}guarded_runs            set: the runs of the latest publish and of later claims; the removal guard watches them
    {shop}run:{id}                hash: a replay, publish, backfill …; 90 days; a replay that is only counted: 1 h
    {shop}run:{id}:remaining      set: its customers that are marked and not done yet; 90 days
    {shop}run:{id}:waiting        list: customers of a replay that are not marked yet; 1 h until it is started, then 90 days
    {shop}alert_sent:{kind}       string: set while the alert is not sent again; 1 h
    {shop}audit                   stream: changes by people, chained by hashes (history/audit_log.py); 400 days
    {shop}audit_anchor            hash: hash and number of the last entry that retention removed
    {shop}staged:{id}:{key}       a key of a shop that a restore is about to put back; 1 day

`{service}` has the place of a shop and stands for `tagger:{pNN}:service:`; it has an audit log of its own.

    {service}tokens               hash: name -> token of the ops API (JSON with its SHA-256)
    {service}token_uses           hash: name -> ms of its last use, written at most once a minute
    {service}users                hash: name -> user of the pages (JSON with the argon2id hash of the password)
    {service}sessions:{user}      hash: SHA-256 of a session's secret -> session (JSON); 7 days after the last sign-in
    {service}session_uses:{user}  hash: the same digest -> ms of its last use, written at most once a minute; 7 days
    {service}sign_in_link:{user}  string: SHA-256 of the user's one-time link; 1 day
    {service}answers:{owner}      sorted set: digest of an Idempotency-Key -> ms at which a token sent it; 1 day, the newest 1,000
    {service}answer:{owner}:{digest}
                                  string: a request and its sealed answer (msgpack); 1 day, while it is in progress 15 min
    {service}backup               hash: at_ms, every_h: the last complete backup, and the hours until the next one is due
"""

from __future__ import annotations

from binascii import crc_hqx
from typing import Final

from service.domain.customers import OrgId

SERVICE: Final = OrgId("service")  # in the place of a shop, for what belongs to no shop
PARTITIONS: Final = range(64)  # never changes: another number would move every shop
LAYOUT: Final = (
    1  # of the keys and values above; a change that older data does not fit adds 1 and a migration
)

DAY_S: Final = 86_400
LEDGER_DAYS: Final = 400
RUN_DAYS: Final = 90


def partition_of(org: OrgId | str) -> int:
    """The partition of a shop: the CRC-16 of a Redis cluster's slots, modulo 64."""
    return crc_hqx(org.encode(), 0) % len(PARTITIONS)


def of_partition(number: int, name: str) -> str:
    """The key `name` of a partition."""
    return f"tagger:{{p{number}}}:{name}"


def of_partitions(name: str) -> list[str]:
    """The key `name` of every partition, in order."""
    return [of_partition(number, name) for number in PARTITIONS]


def partition_key(org: OrgId | str, name: str) -> str:
    """The key `name` of the shop's partition."""
    return of_partition(partition_of(org), name)


def shop(org: OrgId | str, name: str = "") -> str:
    """The key `name` of a shop. Without a name, the prefix of all its keys."""
    return f"tagger:{{p{partition_of(org)}}}:{org}:{name}"


def pending_lock(org: OrgId | str, *, at_haravan: bool = False) -> str:
    """The lock of the shop's pending jobs. It is a key of the partition, because one job deletes the shop's keys."""
    return partition_key(org, f"{'haravan_lock' if at_haravan else 'pending_lock'}:{org}")


def of_script(org: OrgId | str) -> tuple[str, str]:
    """The two keys that every script of a shop declares."""
    prefix = shop(org)
    return prefix, f"{prefix}shop"


STORE: Final = of_partition(0, "store")
