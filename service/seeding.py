"""Seeding: create the shop and publish the rules that the environment names."""

from __future__ import annotations

from collections.abc import Collection

import structlog

from service.domain.customers import OrgId
from service.domain.documents import DocumentError, InvalidRules, parse_rules
from service.domain.rules import RuleSet
from service.errors import InvalidSettings, MalformedData, Refused, TaggerError
from service.locales import translator_for
from service.runtime import read_text
from service.sentence import Sentence, Words
from service.settings import Settings
from service.store.client import keys
from service.store.rules import FIRST_NOTE, Version, Versions, check_currency
from service.store.shops import Shop, ShopRepository, dialect_of


class _RulesProblem(Sentence):
    """An error of a rules document as a problem of the settings."""

    __slots__ = ("_error",)

    def __init__(self, error: DocumentError) -> None:
        super().__init__("{text}", text=error.text(translator_for("en")))
        self._error = error

    def text(self, words: Words) -> str:
        return self._error.text(words)


async def seed_shop(settings: Settings, shops: ShopRepository) -> Shop | None:
    """Create the shop of the environment, or apply what changed in the environment since then. None without a shop.

    A token that was replaced by command stays until the environment has another one. The returned shop has no token.
    A stored token that no key of SECRET_KEY opens is logged with the remedy, and the process goes on. Raises Refused.
    """
    if not settings.org_id:
        return None
    org = OrgId(settings.org_id)
    shop = await shops.apply_environment(
        Shop(
            org=org,
            name=f"Shop {org}",
            dialect=dialect_of(settings.api_url),
            api_url=settings.api_url,
            token=settings.access_token,
            reserve=settings.api_reserve,
        )
    )
    try:
        await shops.get(org)
    except MalformedData as exc:
        structlog.get_logger().error("seed", outcome="unreadable_token", org=org, cause=str(exc))
    return shop


def read_rules_file(settings: Settings) -> RuleSet | None:
    """The rules of RULES_FILE. None without one. Raises InvalidSettings, which names every error of the file.

    Every process calls it at its start: an error in the file is a bad setting.
    """
    file = settings.rules_file
    if file is None:
        return None
    try:
        return parse_rules(read_text(file))
    except InvalidRules as exc:
        problems = [_RulesProblem(problem) for problem in exc.problems]
        message = Sentence("The settings are wrong: RULES_FILE {file} has errors:", file=str(file))
        raise InvalidSettings(message, problems=problems) from exc
    except MalformedData as exc:
        raise InvalidSettings(
            Sentence("The settings are wrong: RULES_FILE: {error}", error=exc.message)
        ) from exc


async def seed_rules(settings: Settings, versions: Versions, shop: Shop) -> Version | None:
    """Publish RULES_FILE as the first version if the shop has neither rules nor customer data.

    Raises InvalidSettings and Refused.
    """
    if settings.rules_file is None or not await versions.is_blank(shop.org):
        return None
    rule_set = read_rules_file(settings)
    if rule_set is None:
        return None
    check_currency(rule_set, shop.currency)
    try:
        return await versions.publish(shop.org, rule_set, author="RULES_FILE", note=str(FIRST_NOTE), parent=0)
    except Refused:
        return None  # another process was faster


async def seed(settings: Settings, shops: ShopRepository, versions: Versions) -> Shop | None:
    """Seed shop and rules. Raises InvalidSettings and Refused."""
    shop = await seed_shop(settings, shops)
    if shop is not None:
        await seed_rules(settings, versions, shop)
    return shop


async def seed_or_log(
    settings: Settings,
    shops: ShopRepository,
    versions: Versions,
    partitions: Collection[int],
) -> None:
    """Seed shop and rules if the shop is in one of these partitions: the server of another one may be away.

    Logs what the environment has wrong instead of raising it. Raises redis' errors.
    """
    if keys.partition_of(settings.org_id) not in partitions:
        return
    try:
        await seed(settings, shops, versions)
    except TaggerError as exc:
        structlog.get_logger().error("seed", outcome="failed", cause=str(exc))
