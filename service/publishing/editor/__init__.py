"""Editing rules in pages: the shared working copy, and live counts while somebody types.

Everything here may be undone or discarded, until a reviewed working copy is published."""

from service.publishing.editor.comparison import ComparedLine, RuleVersion, compare_entries, rule_history
from service.publishing.editor.copies import (
    KINDS,
    EditConflict,
    add_entry,
    base_of,
    discard,
    duplicate_entry,
    edit_scheduled,
    entry_of,
    import_document,
    live_document,
    open_copy,
    redo,
    save_entry,
    undo,
    use_live_parent,
)
from service.publishing.editor.inspection import (
    Inspection,
    LevelCount,
    Offer,
    Problem,
    Sample,
    ValueHelp,
    compare_tier,
    inspect,
)
from service.publishing.editor.source import (
    ParsedSource,
    SourceError,
    format_draft,
    format_entry,
    parse_document_text,
    parse_entry_text,
)
from service.publishing.editor.summary import RuleSummary, count_owners, summarize
from service.publishing.editor.try_customer import TriedCustomer, try_customer

__all__ = [
    "KINDS",
    "ComparedLine",
    "EditConflict",
    "Inspection",
    "LevelCount",
    "Offer",
    "ParsedSource",
    "Problem",
    "RuleSummary",
    "RuleVersion",
    "Sample",
    "SourceError",
    "TriedCustomer",
    "ValueHelp",
    "add_entry",
    "base_of",
    "compare_entries",
    "compare_tier",
    "count_owners",
    "discard",
    "duplicate_entry",
    "edit_scheduled",
    "entry_of",
    "format_draft",
    "format_entry",
    "import_document",
    "inspect",
    "live_document",
    "open_copy",
    "parse_document_text",
    "parse_entry_text",
    "redo",
    "rule_history",
    "save_entry",
    "summarize",
    "try_customer",
    "undo",
    "use_live_parent",
]
