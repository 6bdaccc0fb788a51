"""A list is read page by page, whatever comes or goes meanwhile."""

from __future__ import annotations

import pytest

from service.web.ops.contract.pagination import PageQuery, cut_page, decode_cursor, encode_cursor
from service.web.problems import Problem


def read_all(items: list[int], *, limit: int, remove: int | None = None) -> list[list[int]]:
    pages, cursor, left = [], None, items
    while True:
        query = PageQuery(limit=limit) if cursor is None else PageQuery(limit=limit, cursor=cursor)
        page, cursor = cut_page(left, query, position=lambda item: item, kind=int)
        pages.append(page)
        if cursor is None:
            return pages
        left = [item for item in left if item != remove]


def test_pages_are_as_long_as_asked_for_and_the_last_has_no_next() -> None:
    assert read_all([1, 2, 3, 4, 5], limit=2) == [[1, 2], [3, 4], [5]]
    assert read_all([1, 2], limit=2) == [[1, 2]]
    assert read_all([], limit=2) == [[]]


def test_what_disappears_shifts_nothing() -> None:
    assert read_all([1, 2, 3, 4], limit=2, remove=2) == [[1, 2], [3, 4]]


def test_a_cursor_is_opaque_and_comes_back() -> None:
    cursor = encode_cursor(("Ví dụ", 7))

    assert decode_cursor(PageQuery(cursor=cursor), tuple[str, int]) == ("Ví dụ", 7)


@pytest.mark.parametrize("cursor", ["x", "IjEi", "____", "A" * 2000])
def test_a_cursor_of_another_list_is_refused(cursor: str) -> None:
    with pytest.raises(Problem, match="not the `next`"):
        decode_cursor(PageQuery(cursor=cursor), int)
