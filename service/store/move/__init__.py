"""Moves the data of the service to another store while everything runs, and has every process follow.

Keys are copied while webhooks arrive. Then the old store refuses writes for a moment, the last changes are copied, and the
new store becomes the one that counts."""

from service.store.move.copying import MoveTakenOver
from service.store.move.following import follow
from service.store.move.marks import Departure, load_departure
from service.store.move.move import MoveFailed, MovePlan, MoveResult, Stage, cancel_move, move, plan_move

__all__ = [
    "Departure",
    "MoveFailed",
    "MovePlan",
    "MoveResult",
    "MoveTakenOver",
    "Stage",
    "cancel_move",
    "follow",
    "load_departure",
    "move",
    "plan_move",
]
