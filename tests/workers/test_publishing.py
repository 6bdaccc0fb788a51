"""Publishing marks exactly whoever changes; rolling back undoes it; claims by hand hold against a drain."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from arq.connections import ArqRedis

from service.domain.customers.customer import CustomerId
from service.domain.documents.parser import parse_rules
from service.errors import NotFound, Refused
from service.locales import translator_for
from service.operations import claiming, claims, exclusions
from service.operations.explain import Explained, explain_for_shop
from service.publishing import rollout
from service.publishing.draft import create_draft, create_rollback_draft
from service.publishing.publish import Published, publish_draft, roll_back
from service.store.client import keys
from service.store.history import audit_log
from service.store.jobs import pending, runs
from service.store.shops.model import Shop
from tests.workers.stage import ORG, Stage, staged

RULE = "  - {id: %s, tag: %s, %swhen: {field: total_spent, op: at_least, value: %d}}\n"


def rules(*some: str) -> str:
    return "version: 1\nrules:" + ("\n" + "".join(some) if some else " []\n")


def vip(threshold: int, **more: str) -> str:
    return RULE % ("vip", "VIP", "".join(f"{key}: {value}, " for key, value in more.items()), threshold)


@pytest.fixture
async def shop(stage: Stage) -> Shop:
    return await stage.shops.get_or_raise(ORG)


async def published(stage: Stage, shop: Shop, text: str, *, approved: bool = True) -> Published:
    draft = await create_draft(stage.context, shop, parse_rules(text))
    done = await publish_draft(stage.context, shop, draft, by="Lan", note="thử", approved=approved)
    return await rolled_out(stage, done)


async def rolled_back(stage: Stage, shop: Shop, to: int) -> Published:
    draft = await create_rollback_draft(stage.context, shop, to=to)
    done = await roll_back(stage.context, shop, draft, to=to, by="Lan", note="lùi", approved=True)
    return await rolled_out(stage, done)


async def rolled_out(stage: Stage, done: Published) -> Published:
    """The same after a worker has done its part."""
    assert (done.run.pending, done.run.total) == (True, 0)
    await stage.execute_jobs()
    return replace(done, run=await runs.get(stage.redis, ORG, done.run.id))


async def settled(stage: Stage, *spent: int, tags: str = "") -> list[int]:
    customers = [stage.haravan.create(total_spent=each, tags=tags) for each in spent]
    await stage.mark(*customers)
    await stage.turn(3)
    return customers


async def test_publishing_marks_only_those_whose_tags_change(stage: Stage, shop: Shop) -> None:
    rich, middling, poor = await settled(stage, 20_000_000, 6_000_000, 1)

    done = await published(stage, shop, rules(vip(5_000_000)))

    assert (done.run.total, done.version.number) == (1, 2)
    assert await stage.is_marked(middling)
    assert not await stage.is_marked(rich)
    await stage.turn(2)
    assert stage.haravan.tags(middling) == {"VIP"}
    assert stage.haravan.tags(poor) == set()
    ended = await runs.get(stage.redis, ORG, done.run.id)
    assert (ended.done, ended.remaining, ended.added) == (1, 0, 1)
    assert done.version.preview is not None
    assert (done.version.preview["touched"], done.version.preview["added"]) == (1, 1)


TIER = """
version: 1
tiers:
  - id: hang
    downgrade: {after: 30 days}
    levels: [{tag: Gold, when: {field: total_spent, op: at_least, value: %d}}]
"""


async def test_a_level_that_a_publish_makes_too_high_is_waited_for_from_the_publish_on(
    stage: Stage, shop: Shop
) -> None:
    await published(stage, shop, TIER % 5)
    (customer,) = await settled(stage, 9)

    await published(stage, shop, TIER % 10)
    await stage.turn(2)
    assert stage.haravan.tags(customer) == {"Gold"}
    stage.clock.advance(31 * 86_400)
    await stage.sweep.check_shops()
    await stage.turn(2)

    assert stage.haravan.tags(customer) == set()


async def test_a_level_that_a_person_gave_counts_from_the_publish_on(stage: Stage, shop: Shop) -> None:
    await published(stage, shop, rules())
    (customer,) = await settled(stage, 9, tags="Gold")

    await published(stage, shop, TIER % 5)
    await stage.turn(2)
    await published(stage, shop, TIER % 10)
    await stage.turn(2)

    assert stage.haravan.tags(customer) == {"Gold"}


async def test_who_answers_for_a_tag_changes_with_the_publish_not_with_the_next_look(
    stage: Stage, shop: Shop
) -> None:
    await published(stage, shop, rules(vip(5)))
    (customer,) = await settled(stage, 9)

    await published(stage, shop, rules(RULE % ("other", "VIP", "when_gone: remove, ", 7)))
    await stage.turn(2)
    assert (await stage.owned(customer))["vip"].rule == "other"
    await published(stage, shop, rules())
    await stage.turn(2)

    assert stage.haravan.tags(customer) == set()


async def test_a_publish_that_touches_more_than_one_in_twenty_needs_an_approval(
    stage: Stage, shop: Shop
) -> None:
    await settled(stage, 6_000_000)

    with pytest.raises(Refused, match="touches 1 of 1 customers"):
        await published(stage, shop, rules(vip(5_000_000)), approved=False)

    assert await stage.versions.live_number(ORG) == 1


async def test_publishing_from_an_old_look_is_refused(stage: Stage, shop: Shop) -> None:
    draft = await create_draft(stage.context, shop, parse_rules(rules(vip(5))))
    await stage.publish(rules(vip(7)))

    with pytest.raises(Refused, match="published meanwhile"):
        await publish_draft(stage.context, shop, draft, by="Lan", note="")


async def test_a_second_publish_ends_the_books_of_the_first_and_none_of_its_marks(
    stage: Stage, shop: Shop
) -> None:
    (customer,) = await settled(stage, 6_000_000)
    first = await published(stage, shop, rules(vip(5_000_000)))

    second = await published(stage, shop, rules(vip(4_000_000)))

    assert (await runs.get(stage.redis, ORG, first.run.id)).ended == "superseded"
    await stage.turn(2)
    assert stage.haravan.tags(customer) == {"VIP"}
    assert (await runs.get(stage.redis, ORG, second.run.id)).done == 1


async def test_a_rule_that_is_deleted_takes_its_tags_along_when_it_said_so(stage: Stage, shop: Shop) -> None:
    await published(stage, shop, rules(vip(10_000_000, when_gone="remove")))
    (customer,) = await settled(stage, 20_000_000)

    await published(stage, shop, rules())
    await stage.turn(2)

    assert stage.haravan.tags(customer) == set()


async def test_rolling_back_takes_back_what_the_undone_version_gave_for_ever(
    stage: Stage, shop: Shop
) -> None:
    rich, poor = await settled(stage, 20_000_000, 1_000_000)
    await published(stage, shop, rules(vip(500_000, keep="forever")))
    await stage.turn(2)
    assert stage.haravan.tags(poor) == {"VIP"}

    undone = await rolled_back(stage, shop, 1)
    await stage.turn(3)

    assert stage.haravan.tags(poor) == set()
    assert stage.haravan.tags(rich) == {"VIP"}
    assert undone.version.content == (await stage.versions.get(ORG, 1)).content
    assert [deed.action for deed in await audit_log.recent(stage.redis, ORG)] == ["rollback", "publish"]


async def test_only_the_latest_version_is_undone_without_approval_and_only_for_a_day(
    stage: Stage, shop: Shop
) -> None:
    await settled(stage, 6_000_000, 8_000_000)
    for threshold in (5_000_000, 7_000_000):
        await published(stage, shop, rules(vip(threshold)))
        await stage.turn(2)

    async def needs_approval(to: int, later_ms: int = 0) -> bool:
        later = replace(stage.context, clock_ms=lambda: stage.now_ms + later_ms)
        draft = await create_rollback_draft(later, shop, to=to)
        return draft.shown.guard.needs_approval

    assert not await needs_approval(2)
    assert await needs_approval(1)
    assert await needs_approval(2, later_ms=25 * 3_600_000)
    with pytest.raises(Refused, match="nothing to roll back to"):
        await rolled_back(stage, shop, 3)


async def test_a_version_is_never_live_without_the_job_that_rolls_it_out(stage: Stage, shop: Shop) -> None:
    (customer,) = await settled(stage, 6_000_000)
    draft = await create_draft(stage.context, shop, parse_rules(rules(vip(5_000_000))))
    done = await publish_draft(stage.context, shop, draft, by="Lan", note="", approved=True)
    assert not await stage.is_marked(customer)
    [job] = await pending.list_jobs(stage.redis, ORG)
    assert (job.kind, job.id) == ("rollout", done.run.id)

    assert await stage.execute_jobs() == 1

    run = await runs.get(stage.redis, ORG, done.run.id)
    assert (run.pending, run.total) == (False, 1)
    assert await stage.is_marked(customer)
    assert await stage.execute_jobs() == 0


async def test_a_rollout_that_another_worker_holds_waits_for_its_death(stage: Stage, shop: Shop) -> None:
    (customer,) = await settled(stage, 6_000_000)
    draft = await create_draft(stage.context, shop, parse_rules(rules(vip(5_000_000))))
    await publish_draft(stage.context, shop, draft, by="Lan", note="", approved=True)
    other = pending.lock(stage.redis, ORG)
    assert await other.acquire()

    assert await stage.jobs.run() == 0
    assert not await stage.is_marked(customer)
    assert 0 < await stage.redis.ttl(keys.pending_lock(ORG)) <= pending.LOCK_TIMEOUT_S
    assert await stage.execute_jobs() == 1
    assert await stage.is_marked(customer)


async def test_two_publishes_that_wait_are_rolled_out_as_one(stage: Stage, shop: Shop) -> None:
    (customer,) = await settled(stage, 6_000_000)
    done = []
    for threshold in (5_000_000, 4_000_000):
        draft = await create_draft(stage.context, shop, parse_rules(rules(vip(threshold))))
        done.append(await publish_draft(stage.context, shop, draft, by="Lan", note="", approved=True))

    assert await stage.execute_jobs() == 1

    first, second = [await runs.get(stage.redis, ORG, each.run.id) for each in done]
    assert (first.ended, first.total, second.total, second.pending) == ("superseded", 0, 1, False)
    await stage.turn(2)
    assert stage.haravan.tags(customer) == {"VIP"}
    assert await pending.list_jobs(stage.redis) == []


async def test_a_job_that_fails_is_tried_again_later_and_keeps_no_other_from_being_executed(
    stage: Stage, shop: Shop
) -> None:
    await settled(stage, 6_000_000)
    draft = await create_draft(stage.context, shop, parse_rules(rules(vip(5_000_000))))
    done = await publish_draft(stage.context, shop, draft, by="Lan", note="", approved=True)
    document = await stage.redis.hget(stage.key("documents"), done.version.content)
    await stage.redis.hdel(stage.key("documents"), done.version.content)

    assert await stage.execute_jobs() == 0
    await stage.redis.hset(stage.key("documents"), done.version.content, document)
    assert await stage.execute_jobs() == 0
    stage.clock.advance(31)
    assert await stage.execute_jobs() == 1


async def test_a_run_that_takes_more_than_its_preview_said_pauses_removals(stage: Stage, shop: Shop) -> None:
    await settled(stage, 6_000_000)
    done = await published(stage, shop, rules(vip(5_000_000)))
    assert await rollout.stop_overruns(stage.redis, ORG) == []

    await stage.redis.hset(stage.key(f"run:{done.run.id}"), "removed", "21")
    for _ in range(30):  # what else goes on meanwhile
        await runs.create(stage.redis, ORG, kind="replay", by="Lan", reason="", now_ms=stage.now_ms + 1)

    assert await rollout.stop_overruns(stage.redis, ORG) == [done.run.id]
    assert await stage.state("removals_paused") == f"publish {done.run.id}"


async def test_a_run_that_is_stopped_takes_no_more_tags_until_removals_are_resumed(
    stage: Stage, shop: Shop
) -> None:
    (customer,) = await settled(stage, 20_000_000)
    done = await published(stage, shop, rules(vip(50_000_000)))
    await stage.redis.hset(stage.key(f"run:{done.run.id}"), "removed", "100")
    assert await rollout.stop_overruns(stage.redis, ORG) == [done.run.id]

    await stage.turn(3)
    assert stage.haravan.tags(customer) == {"VIP"}

    await stage.shops.resume_removals(ORG)
    stage.clock.advance(400)
    await stage.turn(3)
    assert stage.haravan.tags(customer) == set()


@pytest.mark.parametrize(
    ("call", "threshold", "counted"), [("POST tags", 5_000_000, (1, 0)), ("DELETE tags", 50_000_000, (0, 1))]
)
async def test_what_a_run_wrote_counts_also_where_there_is_news_before_the_answer(
    stage: Stage, shop: Shop, call: str, threshold: int, counted: tuple[int, int]
) -> None:
    (customer,) = await settled(stage, 20_000_000 if counted[1] else 6_000_000)
    done = await published(stage, shop, rules(vip(threshold)))

    async def news() -> None:
        stage.haravan.edit(customer, note="gọi lại")
        await stage.announce(customer)

    stage.haravan.on_call(call, news)
    await stage.turn(4)

    run = await runs.get(stage.redis, ORG, done.run.id)
    assert (run.done, run.remaining) == (1, 0)
    assert (run.added, run.removed) == counted


async def test_publishing_a_rule_of_dates_tells_the_calendar_of_those_who_do_not_change_yet(
    stage: Stage, shop: Shop
) -> None:
    day = datetime.fromtimestamp(stage.now_ms / 1000, UTC).date().isoformat()
    customer = stage.haravan.create(total_spent=1, orders_count=1, last_order_date=f"{day}T03:00:00Z")
    await stage.mark(customer)
    await stage.turn()
    text = rules(
        "  - {id: old, tag: Cũ, when: {field: last_order_date, op: more_than_ago, value: 90 days}}\n"
    )

    await published(stage, shop, text)

    due = await stage.redis.zscore(stage.key("schedule"), str(customer))
    assert due == date.fromisoformat(day).toordinal() + 91


async def adopted(stage: Stage, shop: Shop, tag: str, *, matching_only: bool = False) -> int:
    claim = await claims.plan_adoption(stage.context, shop, tag, matching_only=matching_only)
    await claiming.apply_claim(stage.context, shop, claim, by="Lan")
    await stage.execute_jobs()
    return len(claim.new_owners)


async def test_an_adopted_tag_is_ours_and_goes_where_it_does_not_match(stage: Stage, shop: Shop) -> None:
    rich, poor = await settled(stage, 20_000_000, 1, tags="vip")

    assert await adopted(stage, shop, "VIP") == 2
    await stage.turn(2)

    assert stage.haravan.tags(rich) == {"vip"}
    assert stage.haravan.tags(poor) == set()
    assert (await stage.owned(rich))["vip"].rule == "vip"


async def test_adopting_only_what_matches_leaves_the_others_copies_alone(stage: Stage, shop: Shop) -> None:
    _, poor = await settled(stage, 20_000_000, 1, tags="VIP")

    assert await adopted(stage, shop, "VIP", matching_only=True) == 1
    await stage.turn(2)

    assert stage.haravan.tags(poor) == {"VIP"}


async def test_a_tag_that_no_rule_sets_cannot_be_adopted(stage: Stage, shop: Shop) -> None:
    with pytest.raises(Refused, match="no live rule"):
        await adopted(stage, shop, "Khách sỉ")


async def test_a_retracted_tag_goes_from_those_who_have_it_from_us_only(stage: Stage, shop: Shop) -> None:
    (ours,) = await settled(stage, 20_000_000)
    (theirs,) = await settled(stage, 20_000_000, tags="VIP")
    with pytest.raises(Refused, match="would give 'VIP' again"):
        await claims.plan_retraction(stage.context, shop, "VIP")
    await published(stage, shop, rules())
    await stage.turn(2)
    assert stage.haravan.tags(ours) == {"VIP"}

    claim = await claims.plan_retraction(stage.context, shop, "vip")
    await claiming.apply_claim(stage.context, shop, claim, by="Lan")
    await stage.execute_jobs()
    await stage.turn(2)

    assert [*claim.new_owners] == [ours]
    assert stage.haravan.tags(ours) == set()
    assert stage.haravan.tags(theirs) == {"VIP"}


async def excluded(stage: Stage, shop: Shop, customer: int, *, undo: bool = False) -> exclusions.Exclusion:
    planned = await exclusions.plan_exclusion(stage.context, shop, CustomerId(customer), "vip", undo=undo)
    await exclusions.apply_exclusion(stage.context, shop, planned, by="Lan")
    return planned


async def test_an_excluded_customer_is_left_alone_until_it_is_included_again(
    stage: Stage, shop: Shop
) -> None:
    (customer,) = await settled(stage, 1)

    assert (await excluded(stage, shop, customer)).changed
    stage.haravan.edit(customer, total_spent=20_000_000)
    await stage.turn(2)
    assert stage.haravan.tags(customer) == set()

    planned = await excluded(stage, shop, customer, undo=True)
    await stage.turn(2)
    assert (planned.add, planned.remove) == (("VIP",), ())
    assert stage.haravan.tags(customer) == {"VIP"}
    assert [deed.action for deed in await audit_log.recent(stage.redis, ORG)][:2] == ["include", "exclude"]
    with pytest.raises(NotFound, match="no rule or tier 'vip' excluded"):
        await excluded(stage, shop, customer, undo=True)


async def test_of_a_customer_that_was_never_looked_at_an_exclusion_cannot_say_what_it_changes(
    stage: Stage, shop: Shop
) -> None:
    planned = await excluded(stage, shop, 404)
    again = await excluded(stage, shop, 404)

    assert (planned.add, planned.remove, planned.changed, again.changed) == (None, None, True, False)


async def explained(stage: Stage, customer: int, on: date | None = None) -> Explained:
    shop = await stage.shops.get_or_raise(ORG)
    return await explain_for_shop(
        stage.redis, shop, CustomerId(customer), versions=stage.versions, now_ms=stage.now_ms, on=on
    )


async def test_an_explanation_knows_whose_each_tag_is_and_what_was_written_when_and_why(
    stage: Stage, shop: Shop
) -> None:
    (customer,) = await settled(stage, 20_000_000, tags="Khách sỉ")
    stage.haravan.edit(customer, total_spent=9_660_000)
    await stage.announce(customer)
    await stage.turn(2)

    told = await explained(stage, customer)
    said = "\n".join(told.lines(words=translator_for("vi")))
    data = told.data(words=translator_for("en"), tag="VIP")

    assert "Khách sỉ: do người khác gắn" in said
    assert "✘ Tổng chi tiêu từ 10.000.000 ₫ trở lên (đang là 9.660.000 ₫, thiếu 340.000 ₫)" in said
    assert "+VIP · quy tắc “vip” v1 · chạy lại R0 · khớp quy tắc · Tổng chi tiêu: 20.000.000 ₫" in said
    assert "−VIP · quy tắc “vip” v1 · webhook · không còn khớp" in said
    assert data["rules"][0]["when"]["distance"] == {"way": "lacks", "amount": 340_000}
    assert [entry["action"] for entry in data["ledger"]] == ["-", "+"]
    assert data["rules"][0]["state"] == "none"


async def test_a_customer_whom_nobody_looked_at_cannot_be_explained(stage: Stage, shop: Shop) -> None:
    with pytest.raises(NotFound, match="was never looked at"):
        await explained(stage, 4711)


async def test_in_shadow_mode_a_publish_writes_nothing_and_an_explanation_says_so(redis: ArqRedis) -> None:
    async with staged(redis, shadow=True) as stage:
        shop = await stage.shops.get_or_raise(ORG)
        (customer,) = await settled(stage, 6_000_000)
        await published(stage, shop, rules(vip(5_000_000)))
        await stage.turn(2)

        assert stage.wrote() == 0
        assert "chế độ thử" in "\n".join((await explained(stage, customer)).lines(words=translator_for("vi")))
        assert await redis.hlen(keys.shop(ORG, "owned")) == 0
