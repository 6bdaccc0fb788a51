"""The review before something goes live: its effect on all customers, and publishing exactly what was reviewed.

Reviews of large shops run as tasks, whose progress a page shows."""

from service.publishing.review.effects import (
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
from service.publishing.review.submit import (
    end_freeze,
    publish_copy,
    publish_rollback,
    publish_scheduled,
    request_approval,
    schedule_copy,
)
from service.publishing.review.tasks import execute, result_of

__all__ = [
    "CopyReview",
    "Effect",
    "RollbackReview",
    "RuleDifference",
    "TagRow",
    "differences",
    "end_freeze",
    "execute",
    "publish_copy",
    "publish_rollback",
    "publish_scheduled",
    "request_approval",
    "result_of",
    "review_copy",
    "review_end_of_freeze",
    "review_rollback",
    "review_scheduled",
    "schedule_copy",
]
