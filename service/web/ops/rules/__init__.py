"""Endpoints of rules: preview, publish, roll back, schedule, draft, versions, and whose tags are ours. They are CPU work.

The routes take `ENDPOINTS`; shops and their freezes show previews as these endpoints do."""

from service.web.ops.rules import claims, draft, language, publish, scheduled, versions
from service.web.ops.rules.publish import (
    NEEDS_APPROVAL_EXAMPLE,
    Approve,
    PreviewResponse,
    Shadow,
    to_preview,
)
from service.web.ops.rules.versions import RULES_EXAMPLE, RULES_TEXT_EXAMPLE

ENDPOINTS = (
    *versions.ENDPOINTS,
    *publish.ENDPOINTS,
    *scheduled.ENDPOINTS,
    *draft.ENDPOINTS,
    *claims.ENDPOINTS,
    *language.ENDPOINTS,
)

__all__ = [
    "ENDPOINTS",
    "NEEDS_APPROVAL_EXAMPLE",
    "RULES_EXAMPLE",
    "RULES_TEXT_EXAMPLE",
    "Approve",
    "PreviewResponse",
    "Shadow",
    "to_preview",
]
