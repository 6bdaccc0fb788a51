"""Editing rules in pages: the shared working copy, live counts while somebody types, the review before a publish
and what follows from it.

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
    review_copy,
    review_end_of_freeze,
    review_rollback,
    review_scheduled,
)
from service.publishing.editor.submit import (
    edit_scheduled,
    end_freeze,
    publish_copy,
    publish_rollback,
    publish_scheduled,
    request_approval,
    schedule_copy,
)
from service.publishing.editor.tasks import execute, result_of
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
    "edit_scheduled",
    "end_freeze",
    "entry_of",
    "execute",
    "inspect",
    "live_document",
    "open_copy",
    "publish_copy",
    "publish_rollback",
    "publish_scheduled",
    "request_approval",
    "result_of",
    "review_copy",
    "review_end_of_freeze",
    "review_rollback",
    "review_scheduled",
    "save_entry",
    "schedule_copy",
    "try_customer",
    "undo",
    "use_live_parent",
]
