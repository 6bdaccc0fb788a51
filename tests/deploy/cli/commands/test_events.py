"""`tagger events`."""

from __future__ import annotations

import json

from service.domain.customers import OrgId
from service.store.client import RedisClient
from service.store.events import endpoints
from tests.deploy.cli.environment import ORG, CliEnvironment

URL = "https://hooks.example.com/a"


async def test_an_endpoint_is_added_listed_and_removed(shop: CliEnvironment) -> None:
    nothing = await shop.tagger("events", "list", ORG)
    added = await shop.tagger("events", "add", ORG, URL)
    listed = await shop.tagger("events", "list", ORG)
    removed = await shop.tagger("events", "remove", ORG, "E1")
    again = await shop.tagger("events", "remove", ORG, "E1")

    assert "sends no events" in nothing.out
    assert (added.code, "Secret: whsec_" in added.out) == (0, True)
    assert (URL in listed.out, "up to date" in listed.out, "whsec_" in listed.out) == (True, True, False)
    assert (removed.code, again.code, "has no endpoint E1" in again.err) == (0, 1, True)


async def test_an_address_that_must_not_be_called_is_refused(shop: CliEnvironment) -> None:
    for url in ("https://169.254.169.254/", "http://example.com/", "https://10.0.0.1:8443/hook"):
        result = await shop.tagger("events", "add", ORG, url)

        assert (result.code, "no events can be sent" in result.err) == (1, True)
    unknown = await shop.tagger("events", "add", "42", URL)

    assert unknown.code == 1


async def test_types_of_events_are_chosen_by_name(shop: CliEnvironment) -> None:
    wrong = await shop.tagger("events", "add", ORG, URL, "--events", "customer.tagged,typo")
    added = await shop.tagger("events", "add", ORG, URL, "--events", "rules.published, shop.paused")
    changed = await shop.tagger("events", "change", ORG, "E1", "--events", "customer.tagged")
    [listed] = json.loads((await shop.tagger("events", "list", ORG, "--json")).out)

    assert (wrong.code, "customer.untagged" in wrong.err) == (2, True)
    assert (added.code, changed.code, listed["events"]) == (0, 0, ["customer.tagged"])


async def test_a_shop_has_five_endpoints_at_most(shop: CliEnvironment) -> None:
    for number in range(5):
        assert (await shop.tagger("events", "add", ORG, f"{URL}{number}")).code == 0
    sixth = await shop.tagger("events", "add", ORG, URL)

    assert (sixth.code, "at most 5" in sixth.err) == (1, True)


async def test_what_was_rejected_is_shown_and_sent_again(shop: CliEnvironment, redis: RedisClient) -> None:
    await shop.tagger("events", "add", ORG, URL)
    await endpoints.add_dead(redis, OrgId(ORG), "E1", source="ledger", entry="1-0", cause="HTTP 400")

    shown = await shop.tagger("events", "rejected", ORG, "E1")
    retried = await shop.tagger("events", "retry", ORG, "E1")
    after = await shop.tagger("events", "rejected", ORG, "E1", "--json")

    assert "HTTP 400" in shown.out
    assert "Events that will be sent again: 1" in retried.out
    assert json.loads(after.out) == []


async def test_a_disabled_endpoint_says_so_until_it_is_enabled(shop: CliEnvironment) -> None:
    await shop.tagger("events", "add", ORG, URL)
    await shop.tagger("events", "disable", ORG, "E1")
    disabled = await shop.tagger("events", "list", ORG)
    await shop.tagger("events", "enable", ORG, "E1")
    enabled = await shop.tagger("events", "list", ORG)

    assert "disabled" in disabled.out
    assert "up to date" in enabled.out
