"""Every operation of the ops API in one table: its routes and its OpenAPI document are made from it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Literal

from service.web.ops import claim_models, models, rule_models, shadow
from service.web.ops import claim_operations as claims
from service.web.ops import operations as ops
from service.web.ops import rule_operations as rules
from service.web.ops.floor import Floor
from service.web.ops.questions import Call

Method = Literal["GET", "POST", "DELETE"]
Handler = Callable[[Floor, Call], Awaitable[models.Answer]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One row: what is asked with `asked` (a GET's query, a POST's body) is answered with `answer`.

    `beside`: it reads rules or looks at everybody, so it is done in the process beside the web's.
    """

    method: Method
    path: str
    handler: Handler
    answer: type[models.Answer]
    asked: type[models.Asked] | None = None
    beside: bool = False

    @property
    def followed(self) -> bool:
        """Whether it may be answered with 202 and goes on: asked again it must not be done twice."""
        return self.beside and self.method == "POST"

    @property
    def name(self) -> str:
        """The operation's id in the document, in the log and between the processes."""
        return self.handler.__name__


SHOP: Final = "/ops/v1/shops/{org}"
ANSWER: Final = f"{SHOP}/answers/{{answer}}"
RULES: Final = f"{SHOP}/rules"
CUSTOMER: Final = f"{SHOP}/customers/{{customer}}"
TABLE: Final = (
    Operation("GET", "/ops/v1/shops", ops.list_shops, models.ShopList),
    Operation("GET", SHOP, ops.shop_status, models.ShopStatus),
    Operation("POST", f"{SHOP}/pause", ops.pause, models.ShopStatus, models.Pausing),
    Operation("POST", f"{SHOP}/resume", ops.resume, models.ShopStatus),
    Operation("POST", f"{SHOP}/shadow", ops.begin_shadow, models.ShopStatus),
    Operation(
        "POST", f"{SHOP}/live", shadow.end_shadow, rule_models.WentLive, rule_models.GoingLive, beside=True
    ),
    Operation("GET", f"{SHOP}/deliveries", ops.list_deliveries, models.DeliveryList, models.DeliveriesQuery),
    Operation("GET", f"{SHOP}/dead-letters", ops.list_dead_letters, models.DeadLetterList),
    Operation("POST", f"{SHOP}/dead-letters/retry", ops.retry_dead_letters, models.Retried, models.Retrying),
    Operation("DELETE", f"{SHOP}/dead-letters/{{customer}}", ops.drop_dead_letter, models.Retried),
    Operation("POST", f"{SHOP}/replays", ops.start_replay, models.Replayed, models.Replaying, beside=True),
    Operation("GET", f"{SHOP}/runs", ops.list_runs, models.RunList),
    Operation("GET", f"{SHOP}/runs/{{run}}", ops.run_status, models.RunLine),
    Operation("GET", ANSWER, ops.show_answer, models.LateAnswer),
    Operation("GET", f"{SHOP}/audit", ops.list_deeds, models.DeedList, models.AuditQuery),
    Operation("GET", RULES, rules.show_rules, rule_models.ShownRules, rule_models.RulesQuery, beside=True),
    Operation(
        "GET",
        f"{RULES}/history",
        rules.list_versions,
        rule_models.VersionList,
        rule_models.HistoryQuery,
        beside=True,
    ),
    Operation(
        "GET",
        f"{RULES}/diff",
        rules.compare_versions,
        rule_models.ShownDifference,
        rule_models.DifferenceQuery,
        beside=True,
    ),
    Operation(
        "POST",
        f"{RULES}/preview",
        rules.preview_rules,
        rule_models.ShownPreview,
        rule_models.Previewing,
        beside=True,
    ),
    Operation(
        "POST",
        f"{RULES}/publish",
        rules.publish_rules,
        rule_models.Published,
        rule_models.Publishing,
        beside=True,
    ),
    Operation(
        "POST",
        f"{RULES}/rollback",
        rules.roll_back_rules,
        rule_models.RolledBack,
        rule_models.RollingBack,
        beside=True,
    ),
    Operation(
        "POST",
        f"{RULES}/adopt",
        claims.adopt_tag,
        claim_models.Claimed,
        claim_models.Adopting,
        beside=True,
    ),
    Operation(
        "POST",
        f"{RULES}/retract",
        claims.retract_tag,
        claim_models.Claimed,
        claim_models.Retracting,
        beside=True,
    ),
    Operation(
        "POST",
        f"{CUSTOMER}/exclusions",
        claims.exclude_customer,
        claim_models.Excluded,
        claim_models.Excluding,
        beside=True,
    ),
    Operation(
        "GET",
        CUSTOMER,
        claims.explain_customer,
        claim_models.ExplainedCustomer,
        claim_models.ExplainQuery,
        beside=True,
    ),
    Operation(
        "GET", "/ops/v1/strangers/deliveries", ops.list_strangers, models.DeliveryList, models.TimeQuery
    ),
)
BY_NAME: Final = {each.name: each for each in TABLE}
