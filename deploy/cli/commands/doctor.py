"""`tagger doctor`: what is wrong with the service and with each shop, why, and the command that repairs it."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

import typer

from deploy.cli.context import (
    AsJson,
    CliContext,
    OrgId,
    open_api,
    open_context,
    parse_org_id,
    run,
)
from deploy.cli.output import print_json
from deploy.cli.wording import translator
from deploy.local import console

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from service.doctor import Finding, HaravanFacts, Report
    from service.domain.explain import Translator
    from service.errors import HaravanError
    from service.store.shops import Shop

T = TypeVar("T")

OTHER_LAYOUT: Final = frozenset(["store_layout_newer", "store_layout_older", "store_moved", "store_arriving"])
SIGNS: Final = {"ok": ("✔", "green"), "warning": ("!", "yellow"), "critical": ("✘", "bold red")}


def doctor(
    org: Annotated[
        OrgId | None,
        typer.Argument(metavar="[ORG]", parser=parse_org_id, help="Only this shop. Default: all shops."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check Redis, the workers, and each shop's token, webhooks, rules and queue. Exits with 1 if somebody is needed now."""
    from service.doctor import Severity

    words = translator()
    report = run(_diagnose(org, words))
    if as_json:
        print_json(
            {
                "verdict": report.verdict,
                "findings": [
                    {
                        "key": finding.key,
                        "severity": finding.severity,
                        "org": finding.org,
                        "text": finding.text,
                        "command": finding.command,
                    }
                    for finding in report.findings
                ],
            }
        )
    else:
        _print(report, words)
    raise typer.Exit(1 if report.verdict is Severity.CRITICAL else 0)


async def _diagnose(org: OrgId | None, words: Translator) -> Report:
    """Diagnose the service and the shop, or all shops, also with what Haravan says. Raises NotFound.

    Data with the layout of another version is a finding, and its shops are not read.
    """
    from service.doctor import Report, diagnose_service, diagnose_shop

    async with open_context(any_layout=True) as cli:
        findings = [*(await diagnose_service(cli.context, words)).findings]
        if any(finding.key in OTHER_LAYOUT for finding in findings):
            return Report(tuple(findings))
        for each in [org] if org else await cli.shops.orgs():
            report = await diagnose_shop(cli.context, each, words, deep=True)
            findings += report.findings
            if not any(finding.key == "keys_unreadable" for finding in report.findings):
                findings += await _ask_haravan(cli, each, words)
        return Report(tuple(findings))


async def _ask_haravan(cli: CliContext, org: OrgId, words: Translator) -> tuple[Finding, ...]:
    from service.doctor import judge_haravan

    shop = await cli.shops.get_or_raise(org)
    return judge_haravan(shop, await _load_haravan_facts(cli, shop), words)


async def _load_haravan_facts(cli: CliContext, shop: Shop) -> HaravanFacts:
    from service.doctor import HaravanFacts
    from workers.haravan import Subscription, missing_scopes, open_session, owner_of_token

    async with open_api(cli, shop) as api, open_session() as session:
        subscription = Subscription(session, address=cli.settings.subscribe_url, token=shop.token)
        owner = await _answer(owner_of_token(api.client, api.permits))
        scopes = await _answer(missing_scopes(api.client, api.permits, shop))
        customers = await _answer(api.perform(api.dialect.count()))
        events = await _answer(subscription.list_events())
    if isinstance(events, tuple):
        topics = tuple(sorted(event.event for event in events))
        return HaravanFacts(owner, scopes, customers, topics, events[0].url if events else "")
    return HaravanFacts(owner, scopes, customers, events)


async def _answer(question: Awaitable[T]) -> T | HaravanError:
    from service.errors import HaravanError

    try:
        return await question
    except HaravanError as exc:
        return exc


def _print(report: Report, words: Translator) -> None:
    """The findings by shop, the worst first, each with its command on the next line; then the verdict."""
    from rich.text import Text

    out = console()
    for org, findings in groupby(report.findings, key=lambda finding: finding.org):
        heading = words("doctor.shop_heading", org=org) if org else words("doctor.service")
        out.print(Text(heading, "bold"), soft_wrap=True)
        for finding in _worst_first(findings):
            sign, style = SIGNS[finding.severity]
            out.print(Text.assemble((f"  {sign} ", style), finding.text), soft_wrap=True)
            if finding.command:
                out.print(Text.assemble("    → ", (finding.command, "cyan")), soft_wrap=True)
        out.print()
    counts = [finding.severity.value for finding in report.findings]
    verdict = words(
        f"doctor.verdict.{report.verdict}",
        problems=words.plural("problems", counts.count("critical")),
        warnings=words.plural("warnings", counts.count("warning")),
    )
    out.print(Text(verdict, SIGNS[report.verdict][1]), soft_wrap=True)


def _worst_first(findings: Iterable[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda finding: [*SIGNS].index(finding.severity), reverse=True)
