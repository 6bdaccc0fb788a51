"""Editing rules in pages: the shared working copy, live counts while somebody types, the review before a publish.

Everything here may be undone or discarded, until `publish_copy` makes the working copy live."""

from service.publishing.editor.copies import (
    KINDS,
    EditConflict,
    add_entry,
    base_of,
    discard,
    entry_of,
    live_document,
    open_copy,
    save_entry,
    undo,
    use_live_parent,
)
from service.publishing.editor.inspection import Inspection, Problem, Sample, count_matches, inspect
from service.publishing.editor.review import (
    CopyReview,
    Effect,
    RollbackReview,
    RuleDifference,
    TagRow,
    differences,
    publish_copy,
    publish_rollback,
    request_approval,
    review_copy,
    review_rollback,
)
from service.publishing.editor.try_customer import TriedCustomer, try_customer

__all__ = [
    "KINDS",
    "CopyReview",
    "EditConflict",
    "Effect",
    "Inspection",
    "Problem",
    "RollbackReview",
    "RuleDifference",
    "Sample",
    "TagRow",
    "TriedCustomer",
    "add_entry",
    "base_of",
    "count_matches",
    "differences",
    "discard",
    "entry_of",
    "inspect",
    "live_document",
    "open_copy",
    "publish_copy",
    "publish_rollback",
    "request_approval",
    "review_copy",
    "review_rollback",
    "save_entry",
    "try_customer",
    "undo",
    "use_live_parent",
]
