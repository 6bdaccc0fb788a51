"""Rule documents: YAML or JSON text to a rule set and back, with every error and its position.

Others call `parse_rules`, `validate_rules`, `canonical_json` and `to_yaml`."""

from service.domain.documents.errors import InvalidRules
from service.domain.documents.parser import parse_rules, validate_rules
from service.domain.documents.writer import canonical_json, content_id, to_yaml

__all__ = [
    "InvalidRules",
    "canonical_json",
    "content_id",
    "parse_rules",
    "to_yaml",
    "validate_rules",
]
