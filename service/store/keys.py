"""Every Redis key and its lifetime, spelled here and nowhere else.

All keys of one shop share the prefix `tagger:{org}:` (one hash tag). The scripts get that prefix and append the
names below. Lifetimes: none unless said.

    tagger:shops                  set: the orgs we know
    tagger:shops:revision         number: grows with every change of a shop's configuration
    tagger:due                    sorted set: org -> ms when its work is due (the sweep reads it)
    tagger:counters               hash: counters of all workers, for /metrics
    tagger:erasing                hash: org -> since when it is being erased, and how much of it; 1 h
    tagger:clock                  number: the server's time as last seen by a sweep, in ms
    tagger:server                 hash: run id and replication id last seen
    tagger:instance               string: a random id of this store, made once
    tagger:unsigned:{minute}      hash: refused webhooks by org and reason; 1 day
    {shop}shop                    hash: name, dialect, address, zone, currency, encrypted token and secrets
    {shop}state                   hash: paused, removals_paused, breakers (…_failures, …_open_until), batch fallback, crowded, customers, uninstalled…
    {shop}seq                     number: the last mark
    {shop}rings                   number: the last wake-up, so that a job's id is never used again
    {shop}mark:{customer}         hash: n, first_n, first, lane, place, upd, delivery, tries, taken, cause, runs, plan
    {shop}live / {shop}bulk       sorted sets: ready customers, by the number of their first mark
    {shop}plan:live / plan:bulk   sorted sets: planned customers, likewise
    {shop}later                   sorted set: waiting customers, by the ms when they are due
    {shop}read                    hash: customer -> digests left by the last drain
    {shop}told                    hash: customer -> the newest `updated_at` that a webhook told, in ms
    {shop}lock                    string: the holder's token; 15 s, renewed
    {shop}wake                    string: a wake-up is on its way; some seconds
    {shop}bucket                  hash: the API bucket (service/store/scripts/bucket.lua)
    {shop}flights                 sorted set: API calls on the way; each 15 s
    {shop}snap                    hash: customer -> snapshot (msgpack)
    {shop}owned                   hash: customer -> tags that are ours (msgpack)
    {shop}intents                 hash: customer -> additions that were begun (msgpack)
    {shop}held                    hash: customer -> keep and downgrade state (msgpack)
    {shop}restores                hash: customer -> tags that a roll-back is to put back (msgpack); until it is settled
    {shop}strikes                 hash: customer -> when our tags were undone (msgpack)
    {shop}removals                hash: five-minute slot -> removals that nothing explains; 1 day
    {shop}excluded                hash: customer -> rules that do not touch it (msgpack)
    {shop}tombstone:{customer}    string: ownership and holds of a deleted customer; 30 days
    {shop}night                   hash: the last night that was done: day, looked_ms, subscribed
    {shop}night:claim             string: the worker that is at it; 2 min, renewed
    {shop}calendar                sorted set: customer -> ordinal day on which its tags may change by themselves
    {shop}deliveries              stream: records of deliveries, those of a lot in one; RETENTION_DAYS
    {shop}of:{customer}           list: ids of a customer's last 50 deliveries; RETENTION_DAYS
    {shop}unsigned                sorted set: the last few webhooks refused since one was taken; 1 day
    {shop}seen:{day}              set: identities of deliveries, to label repeats; 3 days
    {shop}ledger                  stream: every tag that we wrote; 400 days
    {shop}ledger_of               hash: customer -> ids of its last ledger entries; 400 days
    {shop}drift                   stream: tags that people changed by hand; 400 days, 100,000 at most
    {shop}drift_of                hash: customer -> the last such change of each tag (msgpack); 400 days
    {shop}shown                   hash: customer -> digest of what shadow mode decided, as it stands in the ledger
    {shop}forgotten               hash: how far the forgetting of ledger_of and drift_of has come
    {shop}dead                    hash: customer -> its open dead letters by cause (JSON)
    {shop}live_version            number: the published version
    {shop}versions                hash: number -> version (JSON)
    {shop}pasts                   hash: number -> what the version inherits from those before it (JSON)
    {shop}documents               hash: content id -> rules document (canonical JSON)
    {shop}run_numbers             number: the last run's
    {shop}runs                    sorted set: run id -> started ms
    {shop}publishes               set: the runs of the latest publish and of claims since, whose removals are watched
    {shop}run:{id}                hash: a replay, publish, backfill …; 90 days
    {shop}run:{id}:left           set: its customers that are still to come; 90 days
    {shop}claims                  hash: run id -> a claim by hand that is not done yet (JSON)
    {shop}alerted:{kind}          string: this was told to people a moment ago; 1 h
    {shop}asked:{name}            string: what is asked of the ops API: somebody is at it, or nobody has heard the answer; 30 s, 1 h
    {shop}answer:{name}           string: the answer to it (msgpack); 1 h
    {shop}audit                   stream: what people did; 400 days
"""

from __future__ import annotations

from typing import Final

from service.domain.customers import OrgId

SHOPS: Final = "tagger:shops"
SHOPS_REVISION: Final = "tagger:shops:revision"
DUE: Final = "tagger:due"
COUNTERS: Final = "tagger:counters"
CLOCK: Final = "tagger:clock"
ERASING: Final = "tagger:erasing"
SERVER: Final = "tagger:server"
INSTANCE: Final = "tagger:instance"

DAY_S: Final = 86_400
LEDGER_DAYS: Final = 400
RUN_DAYS: Final = 90


def shop(org: OrgId | str, name: str = "") -> str:
    """The key `name` of a shop; without a name the prefix that its scripts get."""
    return f"tagger:{{{org}}}:{name}"


def unsigned(minute: int) -> str:
    """Where refused webhooks of a minute are counted."""
    return f"tagger:unsigned:{minute}"
