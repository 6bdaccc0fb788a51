"""Decides which tags of a customer to add and to remove, from the record, the stored state, the rules and the day.

`decide_with_restores` is the decision; `CustomerState` is what the service stores about a customer between decisions.
"""

from service.domain.decisions.decide import Decision, decide
from service.domain.decisions.fast_path import fast_path
from service.domain.decisions.outcome import TagOutcome
from service.domain.decisions.rollback import (
    LedgerChange,
    RestoresByCustomer,
    RollbackCollector,
    decide_with_restores,
    late_restores,
    merge_restores,
)
from service.domain.decisions.state import (
    EMPTY_STATE,
    HOLDS_CODEC,
    INTENTS_CODEC,
    OWNERSHIP_CODEC,
    RESTORES_CODEC,
    Codec,
    CustomerState,
    Hold,
    Ownership,
    UndoRecord,
    WriteIntent,
)

__all__ = [
    "EMPTY_STATE",
    "HOLDS_CODEC",
    "INTENTS_CODEC",
    "OWNERSHIP_CODEC",
    "RESTORES_CODEC",
    "Codec",
    "CustomerState",
    "Decision",
    "Hold",
    "LedgerChange",
    "Ownership",
    "RestoresByCustomer",
    "RollbackCollector",
    "TagOutcome",
    "UndoRecord",
    "WriteIntent",
    "decide",
    "decide_with_restores",
    "fast_path",
    "late_restores",
    "merge_restores",
]
