"""Writing of rule sets: YAML for people, canonical JSON for storage, and the id of the content."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec
import yaml

from service.domain.documents.yaml_source import resolve_scalar
from service.domain.rules import Rule, RuleSet, Tier

_JSON: Final = msgspec.json.Encoder(order="sorted", decimal_format="number")
_LINE_BREAKS: Final = frozenset("\r\x85\u2028\u2029")
_MIN_GROUPED: Final = 10_000  # larger numbers are written with underscores


def canonical_json(rule_set: RuleSet) -> bytes:
    """Encode the stored form: JSON with sorted keys, with all defaults, without empty values."""
    return _JSON.encode(rule_set.model_dump(mode="python", exclude_none=True))


def content_id(rule_set: RuleSet) -> str:
    """Return the SHA-256 of the stored form: equal rule sets have equal ids."""
    return hashlib.sha256(canonical_json(rule_set)).hexdigest()


def to_yaml(rule_set: RuleSet) -> str:
    """Format as YAML without defaults. Parsing it returns an equal RuleSet."""
    head = {"version": rule_set.version, "timezone": rule_set.timezone, "currency": rule_set.currency}
    body = rule_set.model_dump(mode="python", exclude_none=True, exclude_defaults=True)
    return _dump(head | {key: body[key] for key in ("rules", "tiers") if key in body})


def draft_to_yaml(document: Mapping[str, Any]) -> str:
    """Format a draft as YAML without defaults. It is plain data, valid or not."""
    head = {key: document[key] for key in ("version", "timezone", "currency") if key in document}
    lists = {kind: [_without_defaults(entry, kind) for entry in document.get(kind, ())] for kind in _MODELS}
    return _dump(head | {kind: entries for kind, entries in lists.items() if entries})


def entry_to_yaml(entry: Mapping[str, Any], kind: str) -> str:
    """Format one rule or tier of a draft as YAML without defaults. It is plain data, valid or not."""
    return _dump(_without_defaults(entry, kind))


def _without_defaults(entry: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """The keys in the order of a document, without those that have their default value. Unknown keys go last."""
    fields = _MODELS[kind].model_fields
    shown = {
        name: entry[name] for name, field in fields.items() if name in entry and entry[name] != field.default
    }
    return shown | {name: value for name, value in entry.items() if name not in fields}


def _dump(data: Mapping[str, Any]) -> str:
    return yaml.dump(data, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=10_000)


_MODELS: Final[Mapping[str, type[Rule | Tier]]] = {"rules": Rule, "tiers": Tier}


class _Dumper(yaml.SafeDumper):
    """Quotes texts that `resolve_scalar` would convert, and keeps a condition on one line."""

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


def _represent_text(dumper: _Dumper, text: str) -> yaml.Node:
    """Escape a text with characters that YAML would fold as line breaks."""
    style = '"' if _LINE_BREAKS.intersection(text) else None
    return dumper.represent_scalar(_TAGS[str], text, style=style)


def _represent_int(dumper: _Dumper, number: int) -> yaml.Node:
    text = f"{number:_}" if abs(number) >= _MIN_GROUPED else str(number)
    return dumper.represent_scalar(_TAGS[int], text)


def _represent_decimal(dumper: _Dumper, number: Decimal) -> yaml.Node:
    return dumper.represent_scalar(_TAGS[Decimal], str(number))


def _represent_mapping(dumper: _Dumper, mapping: dict[str, object]) -> yaml.Node:
    is_flat = not any(isinstance(value, dict | list | tuple) for value in mapping.values())
    on_one_line = is_flat or "field" in mapping
    return dumper.represent_mapping("tag:yaml.org,2002:map", mapping.items(), flow_style=on_one_line)


def _represent_list(dumper: _Dumper, values: list[object] | tuple[object, ...]) -> yaml.Node:
    on_one_line = not any(isinstance(value, dict) for value in values)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", values, flow_style=on_one_line)


_Dumper.add_representer(str, _represent_text)
_Dumper.add_representer(int, _represent_int)
_Dumper.add_representer(Decimal, _represent_decimal)
_Dumper.add_representer(dict, _represent_mapping)
_Dumper.add_representer(list, _represent_list)
_Dumper.add_representer(tuple, _represent_list)
