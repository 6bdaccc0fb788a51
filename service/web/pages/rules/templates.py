"""The eight templates of the gallery: rules that most shops have, to begin with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from service.domain.explain import Translator

Data = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Template:
    """A rule to begin with. Its name, its tag and its text are in the catalogs: `rules.template.KEY`."""

    key: str
    when: Data

    def entry(self, t: Translator) -> Data:
        """The rule of a draft."""
        return {
            "id": self.key.replace("_", "-"),
            "name": t(f"rules.template.{self.key}"),
            "tag": t(f"rules.template.{self.key}.tag"),
            "enabled": True,
            "keep": "while_matching",
            "owns": "added",
            "when_gone": "leave",
            "when": self.when,
        }


def _condition(field: str, op: str, value: Any = None) -> Data:
    return {"field": field, "op": op, **({} if value is None else {"value": value})}


def _all(*parts: Data) -> Data:
    return {"all": [*parts]}


TEMPLATES: Final = (
    Template("vip", _all(_condition("total_spent", "at_least", 5_000_000))),
    Template(
        "dormant",
        _all(
            _condition("orders_count", "at_least", 1),
            _condition("last_order_date", "more_than_ago", "90 days"),
        ),
    ),
    Template("birthday", _all(_condition("birthday", "this_month"))),
    Template("new", _all(_condition("created_at", "within_last", "30 days"))),
    Template("province", _all({"field": "province", "op": "in", "value": []})),
    Template(
        "subscriber",
        _all(_condition("accepts_marketing", "is", True), _condition("orders_count", "at_least", 3)),
    ),
    Template("group", _all({"field": "group", "op": "is", "value": None})),
    Template("blank", _all({"field": "total_spent", "op": "at_least", "value": None})),
)
BY_KEY: Final = {template.key: template for template in TEMPLATES}
