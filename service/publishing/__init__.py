"""What people ask for about rules: preview, publish, roll back, shadow mode.

The ops API and the command line call these functions, and a worker executes rollouts."""

from service.publishing import rollout
from service.publishing.draft import (
    Draft,
    create_draft,
    create_rollback_draft,
    draft_diff_lines,
    draft_to_dict,
)
from service.publishing.preview import load_population
from service.publishing.publish import (
    NeedsApproval,
    already_published,
    default_note,
    publish_draft,
    roll_back,
)
from service.publishing.shadow import begin_shadow_mode, draft_end_of_shadow_mode, end_shadow_mode
from service.publishing.values import load_customers

__all__ = [
    "Draft",
    "NeedsApproval",
    "already_published",
    "begin_shadow_mode",
    "create_draft",
    "create_rollback_draft",
    "default_note",
    "draft_diff_lines",
    "draft_end_of_shadow_mode",
    "draft_to_dict",
    "end_shadow_mode",
    "load_customers",
    "load_population",
    "publish_draft",
    "roll_back",
    "rollout",
]
