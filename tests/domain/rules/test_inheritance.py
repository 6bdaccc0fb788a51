"""What a version inherits from earlier versions."""

from __future__ import annotations

from service.domain.rules.inheritance import Inheritance, decode_inheritance, encode_inheritance


def test_a_stored_inheritance_decodes_as_it_was() -> None:
    inheritance = Inheritance({"a": "remove", "b": "leave"}, frozenset({("a", 2), ("b", 3)}))

    assert decode_inheritance(encode_inheritance(inheritance)) == inheritance
    assert decode_inheritance(b"") == Inheritance()
