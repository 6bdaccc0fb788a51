"""Rule documents: parsing YAML or JSON into a rule set, with all errors and their positions, and writing it back.

Other rooms parse text with `parse_rules`, decoded data with `validate_rules`, and store the canonical JSON."""

from service.domain.documents.errors import DocumentError, InvalidRules
from service.domain.documents.parser import parse_entry, parse_rules, validate_rules
from service.domain.documents.reference import list_fields, markdown_tables
from service.domain.documents.schema import json_schema
from service.domain.documents.writer import canonical_json, content_id, draft_to_yaml, entry_to_yaml, to_yaml

__all__ = [
    "DocumentError",
    "InvalidRules",
    "canonical_json",
    "content_id",
    "draft_to_yaml",
    "entry_to_yaml",
    "json_schema",
    "list_fields",
    "markdown_tables",
    "parse_entry",
    "parse_rules",
    "to_yaml",
    "validate_rules",
]
