"""From a question to its reply, in whichever process: understand it, do it, write down what came of it."""

from __future__ import annotations

from typing import Final, Protocol

import msgspec

from service.domain.customers import OrgId
from service.web.ops.floor import Floor
from service.web.ops.models import Asked
from service.web.ops.questions import Call, Question, Reply, read_body, read_query, refusal
from service.web.ops.table import BY_NAME, Operation
from service.web.problems import problem_of

_JSON: Final = msgspec.json.Encoder(decimal_format="number")  # amounts of rules are read back as they are


class Answering(Protocol):
    """Somebody who answers: this process (Here), or the one beside it (Beside)."""

    async def answer(self, question: Question) -> Reply:
        """The reply, an error's as well; raises nothing."""
        ...


class Here:
    """Answers in this process."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor

    async def answer(self, question: Question) -> Reply:
        """The reply, an error's as well; raises nothing."""
        operation = BY_NAME[question.operation]
        try:
            asked = understood(operation, question)
            org = OrgId(str(question.path.get("org", "")))
            told = await operation.handler(self._floor, Call(question.by, org, question.path, asked))
            return Reply(_JSON.encode(told))
        except Exception as exc:  # noqa: BLE001  # the outermost frame of an operation; a bug is logged there
            return refusal(problem_of(exc))


def understood(operation: Operation, question: Question) -> Asked | None:
    """What is asked, as the operation's own type; raises Problem 400."""
    if operation.asked is None:
        return None
    if operation.method == "GET":
        return read_query(question.query, operation.asked)
    return read_body(question.body, operation.asked)
