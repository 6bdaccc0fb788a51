"""What Haravan's answers say about a shop's token and subscription."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pytest

from service.doctor import HaravanFacts, judge_haravan
from service.domain.customers import OrgId
from service.errors import ApiUnavailable, TokenRejected
from service.locales import translator_for
from service.store.shops import Shop

SHOP: Final = Shop(
    org=OrgId("1000000001"), name="Một", dialect="omni", api_url="https://x.example", token="t"
)
HEALTHY: Final = HaravanFacts(
    owner="1000000001",
    missing_scopes=(),
    customers=20,
    topics=("customers/create", "customers/update"),
    address="https://tagger.example.com",
)
UNAUTHORIZED: Final = TokenRejected("401", status=401)
FORBIDDEN: Final = TokenRejected("403", status=403)
AWAY: Final = ApiUnavailable("no answer")


@pytest.mark.parametrize(
    ("facts", "found"),
    [
        (HEALTHY, {"token": "ok", "subscription": "ok"}),
        (replace(HEALTHY, owner=""), {"token": "ok", "subscription": "ok"}),
        (replace(HEALTHY, owner=FORBIDDEN), {"token": "ok", "subscription": "ok"}),  # without com.read_shop
        (replace(HEALTHY, owner="1000000009"), {"token_of_other_shop": "critical", "subscription": "ok"}),
        (replace(HEALTHY, owner=UNAUTHORIZED, missing_scopes=UNAUTHORIZED), {"token_rejected": "critical"}),
        (
            replace(HEALTHY, missing_scopes=("com.write_customers",)),
            {"scope_missing": "critical", "subscription": "ok"},
        ),
        (replace(HEALTHY, customers=AWAY), {"haravan_unavailable": "critical", "subscription": "ok"}),
        (replace(HEALTHY, missing_scopes=AWAY), {"haravan_unavailable": "critical", "subscription": "ok"}),
        (replace(HEALTHY, topics=()), {"token": "ok", "subscription_missing": "critical"}),
        (replace(HEALTHY, topics=("orders/paid",)), {"token": "ok", "topic_missing": "critical"}),
        (replace(HEALTHY, topics=FORBIDDEN), {"token": "ok", "subscription_unknown": "warning"}),
        (replace(HEALTHY, topics=AWAY), {"token": "ok", "haravan_unavailable": "critical"}),
    ],
)
def test_each_answer_has_its_finding(facts: HaravanFacts, found: dict[str, str]) -> None:
    findings = judge_haravan(SHOP, facts, translator_for("en"))

    assert {each.key: each.severity.value for each in findings} == found


def test_the_missing_scope_is_named() -> None:
    facts = replace(HEALTHY, missing_scopes=("com.read_customers", "com.write_customers"))

    [finding, _] = judge_haravan(SHOP, facts, translator_for("en"))

    assert "com.read_customers and com.write_customers" in finding.text
    assert finding.command == "tagger shops token 1000000001"
