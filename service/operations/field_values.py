"""What the customers of a shop have in a field, for people who write rules."""

from __future__ import annotations

from service.context import Context
from service.domain.engine import build_facts
from service.domain.explain import value_as_json
from service.domain.preview import FieldValues, field_values
from service.domain.rules import FIELDS, calendar_for
from service.errors import NotFound
from service.publishing import load_customers
from service.sentence import Sentence
from service.store.shops import Shop


async def load_field_values(context: Context, shop: Shop, name: str) -> FieldValues:
    """The values of a field with their counts, over all snapshots. Personal texts are only counted.

    E-mail, phone and note are stored only while a live rule reads them. Raises NotFound for an unknown field.
    """
    if name not in FIELDS:
        raise NotFound(
            Sentence(
                "there is no field {name!r}{hint} List the fields: tagger rules fields", name=name, hint="."
            )
        )
    field = FIELDS[name]
    customers = await load_customers(context.redis, shop, field=field)
    calendar = calendar_for(shop.timezone)
    today = calendar.day_of(await context.now_ms())
    return field_values(field, customers, lambda customer: build_facts(customer, today, calendar=calendar))


def values_to_dict(found: FieldValues) -> dict[str, object]:
    """The values as plain data for JSON."""
    return {
        "field": found.field,
        "customers": found.customers,
        "empty": found.empty,
        "values": [{"value": value, "customers": count} for value, count in found.counts.items()],
        "quartiles": [value_as_json(found.field, value) for value in found.quartiles],
    }
