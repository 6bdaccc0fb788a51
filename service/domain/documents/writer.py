"""A RuleSet written down: YAML for people, sorted JSON for storage, and the id of its content."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec
import yaml

from service.domain.documents.yaml_source import resolve_scalar
from service.domain.rules import RuleSet

_JSON: Final = msgspec.json.Encoder(order="sorted", decimal_format="number")
_BREAKS: Final = frozenset("\r\x85\u2028\u2029")
_GROUPED_FROM: Final = 10_000


def canonical_json(rule_set: RuleSet) -> bytes:
    """The stored form: JSON with sorted keys, defaults written out, nothing that is empty."""
    return _JSON.encode(rule_set.model_dump(mode="python", exclude_none=True))


def content_id(rule_set: RuleSet) -> str:
    """The sha256 of the stored form: the same content has the same id."""
    return hashlib.sha256(canonical_json(rule_set)).hexdigest()


def to_yaml(rule_set: RuleSet) -> str:
    """The same as YAML, without what is at its default; reading it gives an equal RuleSet."""
    head = {"version": rule_set.version, "timezone": rule_set.timezone, "currency": rule_set.currency}
    body = rule_set.model_dump(mode="python", exclude_none=True, exclude_defaults=True)
    return yaml.dump(
        head | {key: body[key] for key in ("rules", "tiers") if key in body},
        Dumper=_Dumper,
        allow_unicode=True,
        sort_keys=False,
        width=10_000,
    )


class _Dumper(yaml.SafeDumper):
    """Quotes what our own reader would not read as a text, and keeps a condition on one line."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> str:
        if kind is yaml.ScalarNode and implicit[0]:
            return _TAGS[type(resolve_scalar(value))]
        return str(super().resolve(kind, value, (False, False)))  # type: ignore[no-untyped-call]


_TAGS: Final[Mapping[type[object], str]] = {
    str: "tag:yaml.org,2002:str",
    bool: "tag:yaml.org,2002:bool",
    int: "tag:yaml.org,2002:int",
    Decimal: "tag:yaml.org,2002:float",
    type(None): "tag:yaml.org,2002:null",
}


def _texts(dumper: _Dumper, text: str) -> yaml.Node:
    """A text, escaped where YAML would take a character for the end of a line and fold it away."""
    style = '"' if _BREAKS.intersection(text) else None
    return dumper.represent_scalar(_TAGS[str], text, style=style)


def _whole(dumper: _Dumper, number: int) -> yaml.Node:
    text = f"{number:_}" if abs(number) >= _GROUPED_FROM else str(number)
    return dumper.represent_scalar(_TAGS[int], text)


def _fraction(dumper: _Dumper, number: Decimal) -> yaml.Node:
    return dumper.represent_scalar(_TAGS[Decimal], str(number))


def _mapping(dumper: _Dumper, found: dict[str, object]) -> yaml.Node:
    short = "field" in found or not any(isinstance(value, dict | list | tuple) for value in found.values())
    return dumper.represent_mapping("tag:yaml.org,2002:map", found.items(), flow_style=short)


def _listing(dumper: _Dumper, found: tuple[object, ...]) -> yaml.Node:
    short = not any(isinstance(value, dict) for value in found)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", found, flow_style=short)


_Dumper.add_representer(str, _texts)
_Dumper.add_representer(int, _whole)
_Dumper.add_representer(Decimal, _fraction)
_Dumper.add_representer(dict, _mapping)
_Dumper.add_representer(tuple, _listing)
