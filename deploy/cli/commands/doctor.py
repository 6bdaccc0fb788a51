"""`tagger doctor`: checks Redis, the workers and each shop, and says how to fix what is wrong."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from deploy.cli.context import (
    AsJson,
    CliContext,
    lacks_scopes,
    missing_scopes,
    open_api,
    open_context,
    parse_org_id,
    run,
    shop_of_token,
)
from deploy.cli.output import plural, print_json
from deploy.local import console

if TYPE_CHECKING:
    from service.domain.customers import OrgId
    from service.store.shops import Shop

MAX_HEARTBEAT_AGE_S: Final = 60
MAX_QUEUE_AGE_S: Final = 300
SIGNS: Final = {"good": ("✔", "green"), "note": ("·", "yellow"), "problem": ("✘", "bold red")}


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of one check. A problem needs action; a note does not."""

    level: Literal["good", "note", "problem"]
    about: str
    text: str


def doctor(
    org: Annotated[str, typer.Argument(metavar="[ORG]", help="Only this shop. Default: all shops.")] = "",
    as_json: AsJson = False,
) -> None:
    """Check Redis, the workers, and each shop's token, rules, webhooks and queue. Exits with 1 if there are problems."""

    async def work() -> list[CheckResult]:
        async with open_context() as cli:
            results = await check_service(cli)
            orgs = [parse_org_id(org)] if org else await cli.shops.orgs()
            for shop_org in orgs:
                results += await check_shop(cli, shop_org)
            if not orgs:
                results.append(
                    CheckResult("problem", "shops", "there is no shop yet; add one: tagger shops add ORG")
                )
            return results

    results = run(work())
    if as_json:
        print_json([asdict(result) for result in results])
    else:
        for result in results:
            _print(result)
    raise typer.Exit(1 if any(result.level == "problem" for result in results) else 0)


async def check_service(cli: CliContext) -> list[CheckResult]:
    """Check the settings of Redis and the heartbeat of the workers."""
    from service.store.client import check_server, load_rewrite_state
    from service.store.jobs import last_heartbeat_ms

    info: dict[str, Any] = await cli.redis.info()
    name = (
        f"Valkey {info['valkey_version']}"
        if "valkey_version" in info
        else f"Redis {info.get('redis_version')}"
    )
    results = [CheckResult("good", "store", f"{name} answers, {info.get('used_memory_human', '?')} in use")]
    results += [
        CheckResult("problem" if finding.level == "refused" else "note", "store", finding.text)
        for finding in await check_server(cli.redis, cli.settings.durability)
    ]
    rewrite = await load_rewrite_state(cli.redis)
    if rewrite.is_pending and rewrite.refused:
        text = (
            f"data was erased, and the server does not allow a rewrite of its append-only file ({rewrite.refused}), so the "
            "erased bytes stay on its disk. See deploy/docs/privacy.md"
        )
        results.append(CheckResult("note", "store", text))
    heartbeat_ms = await last_heartbeat_ms(cli.redis)
    if heartbeat_ms is None:
        results.append(
            CheckResult("problem", "workers", "no worker has run yet: start one with tagger worker")
        )
    elif (age_s := time.time() - heartbeat_ms / 1000) > MAX_HEARTBEAT_AGE_S:
        text = f"the last heartbeat of a worker was {age_s:.0f} s ago: no customer is processed"
        results.append(CheckResult("problem", "workers", text))
    else:
        results.append(CheckResult("good", "workers", "running"))
    if not cli.settings.webhook_secrets:
        text = "HARAVAN_WEBHOOK_SECRETS is empty: only webhooks of shops with their own secret are accepted"
        results.append(CheckResult("note", "webhooks", text))
    return results


async def check_shop(cli: CliContext, org: OrgId) -> list[CheckResult]:
    """Check one shop: its state, token, webhooks, rules, queue and dead letters. Raises NotFound."""
    from service.errors import MalformedData

    try:
        shop = await cli.shops.get_or_raise(org)
    except MalformedData as exc:
        return [CheckResult("problem", org, str(exc))]
    checks: tuple[Callable[[CliContext, Shop], Awaitable[CheckResult]], ...] = (
        _check_state,
        _check_token,
        _check_webhooks,
        _check_rules,
        _check_queue,
        _check_dead_letters,
    )
    return [await _run_check(check, cli, shop) for check in checks]


async def _run_check(
    check: Callable[[CliContext, Shop], Awaitable[CheckResult]], cli: CliContext, shop: Shop
) -> CheckResult:
    from service.errors import HaravanError, NotFound, TaggerError

    try:
        return await check(cli, shop)
    except NotFound:
        raise
    except HaravanError as exc:
        return CheckResult("problem", shop.org, f"Haravan: {exc}")
    except TaggerError as exc:
        return CheckResult("problem", shop.org, str(exc))


async def _check_state(_: CliContext, shop: Shop) -> CheckResult:
    from service.publishing import first_look
    from service.store.shops import TOKEN_REJECTED

    if shop.paused == TOKEN_REJECTED:
        text = f"paused, because Haravan rejected the token. It resumes with a valid one: tagger shops token {shop.org}"
        return CheckResult("problem", shop.org, text)
    if shop.paused:
        text = f"paused by {shop.paused_by}: {shop.paused}. Resume: tagger shops resume {shop.org}"
        return CheckResult("problem", shop.org, text)
    if shop.removals_paused:
        text = (
            f"removals are paused: {shop.removals_paused}. Resume: tagger shops resume {shop.org} --removals"
        )
        return CheckResult("problem", shop.org, text)
    if shop.shadow:
        return CheckResult("note", shop.org, f"{shop.name}: shadow mode, nothing is written")
    if shop.first_look != "complete":
        text = f"only customers with a webhook are evaluated: {first_look.reason(shop)}"
        return CheckResult("problem", shop.org, text)
    text = f"{shop.name}: active, {shop.dialect} API, {shop.timezone}, {shop.currency}"
    return CheckResult("good", shop.org, text)


async def _check_token(cli: CliContext, shop: Shop) -> CheckResult:
    async with open_api(cli, shop) as api:
        owner = await shop_of_token(api)
        if owner and owner != shop.org:
            text = f"the token belongs to shop {owner}, not to this one. Replace it: tagger shops token {shop.org}"
            return CheckResult("problem", shop.org, text)
        if missing := await missing_scopes(api):
            text = f"{lacks_scopes(missing)}: tagger shops token {shop.org}"
            return CheckResult("problem", shop.org, text)
        count = await api.perform(api.dialect.count())
    return CheckResult("good", shop.org, f"the token works: {plural(count, 'customer')}")


async def _check_webhooks(cli: CliContext, shop: Shop) -> CheckResult:
    from workers.haravan import Subscription, open_session

    async with open_session() as session:
        subscription = Subscription(session, address=cli.settings.subscribe_url, token=shop.token)
        events = await subscription.list_events()
    if not events:
        text = f"no subscription: Haravan sends no webhooks. Subscribe: tagger subscription add {shop.org}"
        return CheckResult("problem", shop.org, text)
    topics = ", ".join(sorted(event.event for event in events))
    if "customers/update" not in topics:
        text = f"the topic customers/update is missing ({topics}). Add it to the app in the partner dashboard"
        return CheckResult("problem", shop.org, text)
    return CheckResult("good", shop.org, f"webhooks: {topics} to {events[0].url}")


async def _check_rules(cli: CliContext, shop: Shop) -> CheckResult:
    live = await cli.versions.live(shop.org)
    if live is None:
        return CheckResult("problem", shop.org, f"no rules yet: tagger rules publish {shop.org} FILE")
    rule_set = await cli.versions.document(shop.org, live.number)
    if rule_set.timezone != shop.timezone or rule_set.currency != shop.currency:
        text = (
            f"the rules use {rule_set.timezone} and {rule_set.currency}, "
            f"the shop {shop.timezone} and {shop.currency}"
        )
        return CheckResult("problem", shop.org, text)
    return CheckResult("good", shop.org, f"rules: version {live.number} by {live.author}")


async def _check_queue(cli: CliContext, shop: Shop) -> CheckResult:
    from service.store.queue import load_backlogs

    [backlog] = await load_backlogs(cli.redis, [shop.org])
    text = f"{plural(backlog.waiting, 'customer')} in the queue"
    if backlog.oldest_s > MAX_QUEUE_AGE_S:
        text += f", the oldest for {backlog.oldest_s:.0f} s: is a worker running, and do other apps use the API call limit?"
        return CheckResult("problem", shop.org, text)
    return CheckResult("good", shop.org, text)


async def _check_dead_letters(cli: CliContext, shop: Shop) -> CheckResult:
    from service.store.client import keys

    client: Any = cli.redis
    count = int(await client.hlen(keys.shop(shop.org, "dead_letters")))
    if count:
        text = f"{plural(count, 'open dead letter')}: tagger dead-letters list {shop.org}"
        return CheckResult("problem", shop.org, text)
    return CheckResult("good", shop.org, "no open dead letters")


def _print(result: CheckResult) -> None:
    from rich.text import Text

    sign, style = SIGNS[result.level]
    console().print(
        Text.assemble((f"{sign} ", style), (f"{result.about:<12}", "bold"), result.text), soft_wrap=True
    )
