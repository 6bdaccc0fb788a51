"""Every type of problem is answered somewhere, and its address leads to its explanation."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Final, get_args

import httpx2

from service.web.problems.problem import KIND_BY_ERROR, KIND_BY_STATUS
from service.web.problems.types import PROBLEM_TYPES, ProblemKind

SERVICE: Final = Path(__file__).parents[3] / "service"


def raised() -> set[str]:
    """The kinds of all `Problem("…")` in the code."""
    return {
        node.args[0].value
        for path in SERVICE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "Problem"
        and node.args
        and isinstance(node.args[0], ast.Constant)
    }


def test_every_type_is_answered_somewhere_and_every_answer_has_a_type() -> None:
    mapped = {*KIND_BY_ERROR.values(), *KIND_BY_STATUS.values()}

    assert raised() | mapped == set(PROBLEM_TYPES) == set(get_args(ProblemKind))


async def test_the_address_of_a_type_leads_to_its_explanation(client: httpx2.AsyncClient) -> None:
    refused = (await client.get("/ops/v1/shops")).json()
    path, _, anchor = refused["type"].partition("#")
    page = await client.get(path)

    assert (refused["type"], refused["title"]) == (
        "/ops/problems#unauthorized",
        "The token is missing or not valid",
    )
    assert page.headers["content-type"].startswith("text/html")
    assert [kind for kind in PROBLEM_TYPES if f'<h2 id="{kind}">' not in page.text] == []
    assert f'id="{anchor}"' in page.text
