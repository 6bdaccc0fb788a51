"""Writes a state of the model into Redis, makes a call through the service's code, and reads the state back."""

from __future__ import annotations

from typing import Any, Final

from redis.asyncio.client import Pipeline

from service.domain.customers.customer import CustomerId, OrgId
from service.store.client import RedisClient, keys
from service.store.queue import dirty as real
from service.store.queue.lease import LeaseLost, LeaseManager, ShopLease, WriteDenied
from service.store.queue.rate_limiter import Granted, RateLimiter
from service.store.queue.settlement import Mark as Dequeued
from service.store.queue.settlement import Settlement
from tests.model.store import Call, Dequeue, Digest, Mark, Permit, Place, Plan, Settle, Store

NOW_MS: Final = 1_800_000_000_000
TODAY: Final = 739_000
LONG_MS: Final = 600_000
CUSTOMER: Final = CustomerId(7)
TOKEN: Final = "ours"
N, OLDER, FIRST = 5, 4, 2  # the generation of the mark, an older one, and the position
PLAN_TOO_OLD_MS: Final = 30_001


def plan_text(plan: Plan) -> bytes:
    """A plan as bytes, without its age, which is an argument of the permit."""
    return repr(tuple(plan._replace(stale=False, begun=False))).encode()


def digest_text(digest: Digest) -> str:
    value, tagged = digest
    return f"v{value}t{int(tagged)}"


def write(pipe: Pipeline, org: OrgId, store: Store, call: Call, lane: real.Lane) -> None:
    """Write the state into an empty shop, with the lease as the call needs it."""
    P = keys.shop(org)  # noqa: N806  # as in the scripts
    pipe.set(P + "lease", TOKEN if getattr(call, "held", True) else "another's")
    pipe.set(P + "generation_seq", N)
    pipe.set(P + "live_version", store.version)
    if store.read:
        pipe.hset(P + "echo_digests", str(CUSTOMER), " ".join(map(digest_text, store.read)))
    for name, kept in (("owned", store.owned), ("intents", store.intent)):
        if kept:
            pipe.hset(P + name, str(CUSTOMER), str(kept))
    if store.told:
        pipe.hset(P + "latest_updated_at", str(CUSTOMER), str(store.told))
    if store.snap >= 0:
        pipe.hset(P + "snapshots", str(CUSTOMER), str(store.snap))
    if store.flips:
        pipe.zadd(P + "schedule", {str(CUSTOMER): TODAY + 1})
    if store.place != "none":
        _write_mark(
            pipe, P, store, lane, taken_ms=NOW_MS - (1000 if getattr(call, "in_cooldown", False) else 9000)
        )


def _write_mark(pipe: Pipeline, P: str, store: Store, lane: real.Lane, *, taken_ms: int) -> None:  # noqa: N803
    place = "delayed" if store.place in ("soon", "long") else store.place
    fields: dict[str, Any] = {
        "generation": N,
        "position": FIRST,
        "enqueued_ms": NOW_MS - 9000,
        "lane": lane,
        "state": place,
        "updated_ms": store.told,
        "dequeued_ms": taken_ms,
        "missing_since_ms": store.gone,
        "stale_reads": store.lag,
        "reasons": "delivery",
        "runs": "",
    }
    if store.plan is not None:
        expected = digest_text((store.plan.value, store.plan.add))
        fields |= {"plan": plan_text(store.plan), "expected_digest": expected}
    pipe.hset(f"{P}mark:{CUSTOMER}", mapping=fields)
    where: dict[Place, tuple[str, int]] = {
        "ready": (f"ready:{lane}", FIRST),
        "planned": (f"planned:{lane}", FIRST),
        "soon": ("delayed", NOW_MS - 1),
        "long": ("delayed", NOW_MS + LONG_MS),
    }
    name, score = where[store.place]
    pipe.zadd(P + name, {str(CUSTOMER): score})


async def make(redis: RedisClient, org: OrgId, call: Call, lane: real.Lane) -> str:
    """Run the script. Returns its reply in the words of the model."""
    if isinstance(call, Mark):
        text = digest_text(call.digest) if call.digest is not None else ""
        event = real.DirtyEvent(str(CUSTOMER), digest=text, updated_ms=str(call.told))
        return (await real.mark_dirty(redis, org, [event], lane=lane, now_ms=NOW_MS))[0].outcome
    turns = LeaseManager(redis, rate_limiter=RateLimiter(redis, clock_ms=_now), clock_ms=_now)
    version = call.version if isinstance(call, Settle | Permit) else 0
    turn = ShopLease(turns, org, TOKEN, version=version, now_ms=NOW_MS, state={})
    if isinstance(call, Dequeue):
        try:
            await turn.dequeue()
        except LeaseLost:
            return "lease_lost"
        return "done"
    if isinstance(call, Settle):
        return (await turn.settle([_settlement(call)], today=TODAY))[0]
    return await _permit(turn, call, lane)


def _now() -> int:
    return NOW_MS


async def _permit(turn: ShopLease, call: Permit, lane: real.Lane) -> str:
    n = N if call.is_current else OLDER
    mark = Dequeued(CUSTOMER, n, lane, 0)
    answer = await turn.permit_write(
        mark,
        lane=lane,
        version=call.version,
        decided_ms=NOW_MS - (PLAN_TOO_OLD_MS if call.stale else 0),
        intents=b"" if call.intent is None else str(call.intent).encode(),
        removals=0,
        owners=0,
        reserve=0,
    )
    if isinstance(answer, Granted):
        return "granted"
    return answer.reason if isinstance(answer, WriteDenied) else "wait"


def _settlement(call: Settle) -> Settlement:
    looks = {"missing_since_ms": call.gone, "stale_reads": call.lag}
    remembered = {name: str(kept) for name, kept in looks.items() if kept is not None}
    if call.plan is not None:
        remembered["expected_digest"] = digest_text((call.plan.value, call.plan.add))
    return Settlement(
        op=call.op,
        mark=Dequeued(CUSTOMER, N if call.is_current else OLDER, "live", 0),
        echo_digests=None if call.read is None else " ".join(map(digest_text, call.read)),
        snapshot=_blob(call.snap),
        owned=_blob(call.owned, nothing=0),
        intents=_blob(call.intent, nothing=0),
        next_change_day=(TODAY if call.due else TODAY + 1) if call.flips else None,
        plan=plan_text(call.plan) if call.plan is not None else None,
        due_ms=(NOW_MS + LONG_MS if call.long else NOW_MS) if call.op == "delay" else None,
        recheck_ms=NOW_MS + LONG_MS if call.again else None,
        mark_fields=remembered or None,
        is_answered=call.answered,
    )


def _blob(kept: int | None, *, nothing: int | None = None) -> bytes | None:
    if kept is None:
        return None
    return b"" if kept == nothing else str(kept).encode()


def ask(pipe: Pipeline, org: OrgId) -> None:
    """Queue the reads that `read_back` needs."""
    P = keys.shop(org)  # noqa: N806
    pipe.hgetall(f"{P}mark:{CUSTOMER}")
    for name in ("echo_digests", "owned", "intents", "snapshots"):
        pipe.hget(P + name, str(CUSTOMER))
    for name in ("schedule", *QUEUES):
        pipe.zscore(P + name, str(CUSTOMER))
    pipe.get(P + "generation_seq")
    pipe.hget(P + "latest_updated_at", str(CUSTOMER))


QUEUES: Final = ("delayed", "ready:live", "ready:bulk", "planned:live", "planned:bulk")
ANSWERS: Final = 13  # that `ask` queues


def read_back(answers: list[Any], before: Store) -> tuple[Store, bool]:
    """The state in Redis in the words of the model, and whether the customer got a new generation.

    Raises AssertionError unless the customer is in exactly the queue that its mark names.
    """
    fields = {name.decode(): kept.decode() for name, kept in answers[0].items()}
    read, owned, intents, snap = (kept.decode() if kept else "" for kept in answers[1:5])
    place, plan = _place(fields, dict(zip(QUEUES, answers[6:11], strict=True)))
    known = {plan_text(each): each for each in (before.plan,) if each is not None}
    store = Store(
        place=place,
        plan=None if plan is None else known.get(plan, plan),  # type: ignore[arg-type]  # another plan stays bytes
        told=max(int(fields.get("updated_ms", 0)), int(answers[12] or 0)),
        gone=int(fields.get("missing_since_ms", 0)),
        lag=int(fields.get("stale_reads", 0)),
        read=tuple((int(each[1]), each[3] == "1") for each in read.split()),
        owned=int(owned or 0),
        intent=int(intents or 0),
        snap=int(snap or -1),
        flips=answers[5] is not None,
        version=before.version,
    )
    return store, int(answers[11]) == N + 1


def _place(fields: dict[str, str], scores: dict[str, float | None]) -> tuple[Place, bytes | None]:
    there = {name: score for name, score in scores.items() if score is not None}
    if not fields:
        assert not there, f"in {there} without a mark"
        return "none", None
    lane, named = fields["lane"], fields["state"]
    name = "delayed" if named == "delayed" else f"{named}:{lane}"
    assert list(there) == [name], f"is in {there}, and its mark says {named} {lane}"
    plan = fields.get("plan")
    assert (plan is not None) == (named == "planned"), f"a plan without its place, or the reverse: {fields}"
    if named != "delayed":
        assert there[name] == float(fields["position"])
        return ("planned" if named == "planned" else "ready"), plan.encode() if plan else None
    return ("long" if (there["delayed"] or 0) > NOW_MS + LONG_MS / 2 else "soon"), None
