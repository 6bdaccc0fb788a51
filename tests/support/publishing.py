"""Publishing on the drain's stage: write rules, publish them with their rollout, evaluate customers."""

from __future__ import annotations

from dataclasses import replace

from service.domain.documents.parser import parse_rules
from service.publishing.draft import create_draft, create_rollback_draft
from service.publishing.publish import Published, publish_draft, roll_back
from service.store.jobs import Run, runs
from service.store.shops.model import Shop
from tests.support.actors import LAN
from tests.workers.stage import ORG, Stage

RULE = "  - {id: %s, tag: %s, %swhen: {field: total_spent, op: at_least, value: %d}}\n"


def rules(*lines: str) -> str:
    """A rules document."""
    return "version: 1\nrules:" + ("\n" + "".join(lines) if lines else " []\n")


def vip(threshold: int, **options: str) -> str:
    """A rule that gives VIP from this amount on."""
    return RULE % ("vip", "VIP", "".join(f"{key}: {value}, " for key, value in options.items()), threshold)


async def publish(stage: Stage, shop: Shop, text: str, *, approved: bool = True) -> Published:
    """Publish the rules, and execute the rollout."""
    draft = await create_draft(stage.context, shop, parse_rules(text))
    published = await publish_draft(stage.context, shop, draft, by=LAN, note="thử", approved=approved)
    return await execute_rollout(stage, published)


async def roll_back_to(stage: Stage, shop: Shop, version: int) -> Published:
    """Roll back to an earlier version, and execute the rollout."""
    draft = await create_rollback_draft(stage.context, shop, to=version)
    published = await roll_back(stage.context, shop, draft, to=version, by=LAN, note="lùi", approved=True)
    return await execute_rollout(stage, published)


async def execute_rollout(stage: Stage, published: Published) -> Published:
    """Execute the rollout; the result has the run as it is afterwards."""
    run = run_of(published)
    assert (run.pending, run.total) == (True, 0)
    await stage.execute_jobs()
    return replace(published, run=await runs.get(stage.redis, ORG, run.id))


def run_of(published: Published) -> Run:
    """The run of a rollout, which a publish during a first look has not."""
    assert published.run is not None
    return published.run


async def evaluate_customers(stage: Stage, *spent: int, tags: str = "", turns: int = 3) -> list[int]:
    """Create a customer for each amount, and drain until they are evaluated."""
    customers = [stage.haravan.create(total_spent=amount, tags=tags) for amount in spent]
    await stage.mark(*customers)
    await stage.turn(turns)
    return customers
