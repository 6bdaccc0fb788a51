"""What people ask for about rules: preview, publish, roll back, schedule, first look, shadow mode, freeze.

The ops API and the command line call these functions, and a worker executes rollouts."""

from service.publishing import editor, first_look, freeze, review, rollout, scheduled
from service.publishing.draft import (
    Draft,
    create_draft,
    create_rollback_draft,
    draft_diff_lines,
    draft_live_rules,
    draft_to_dict,
)
from service.publishing.preview import load_customers, load_population
from service.publishing.publish import (
    NeedsApproval,
    Published,
    find_same_rollback,
    find_same_rules,
    publish_draft,
    roll_back,
)
from service.publishing.shadow import begin_shadow_mode, draft_end_of_shadow_mode, end_shadow_mode

__all__ = [
    "Draft",
    "NeedsApproval",
    "Published",
    "begin_shadow_mode",
    "create_draft",
    "create_rollback_draft",
    "draft_diff_lines",
    "draft_end_of_shadow_mode",
    "draft_live_rules",
    "draft_to_dict",
    "editor",
    "end_shadow_mode",
    "find_same_rollback",
    "find_same_rules",
    "first_look",
    "freeze",
    "load_customers",
    "load_population",
    "publish_draft",
    "review",
    "roll_back",
    "rollout",
    "scheduled",
]
