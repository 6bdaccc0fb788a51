"""The documents of the rule language: examples are valid and do what they say, tables are those of the code.

`python -m tests.deploy.test_rules_docs` writes the tables again.
"""

from __future__ import annotations

import re
import textwrap
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import jsonschema_rs
import pytest

from service.domain.customers import Customer, apply_change, tag_set
from service.domain.decisions import EMPTY_STATE, decide
from service.domain.documents import json_schema, markdown_tables, parse_rules
from service.domain.documents.yaml_source import parse_yaml
from service.domain.engine import compile_rules
from service.domain.explain import LANGUAGES, Language
from service.domain.preview import lint, lint_own_spellings
from service.domain.rules import FIELDS, OPERATORS, RuleSet
from service.locales import translator_for

ROOT: Final = Path(__file__).parents[2]
DOCUMENTS: Final[dict[Language, Path]] = {
    "en": ROOT / "deploy/docs/rules.md",
    "vi": ROOT / "deploy/docs/rules.vi.md",
}
EXAMPLE: Final = re.compile(r"^```yaml\n(.+?)^```", re.MULTILINE | re.DOTALL)
TABLES: Final = re.compile(r"(<!-- tables: [^\n]+ -->\n)(.*?)(<!-- /tables -->)", re.DOTALL)
ROW: Final = re.compile(r"^\| (\d+) \| (\d+) \| (\S+) \| (.+?) \| (.+?) \|$", re.MULTILINE)
TODAY: Final = datetime(2026, 11, 28, tzinfo=UTC)
EXAMPLE_FILES: Final = (
    ROOT / "deploy/rules/demo.yaml",
    *sorted((ROOT / "tests/payloads/rules").glob("*.yaml")),
)


def examples(language: Language) -> list[str]:
    """The examples of a document, each as a whole rules file."""
    found = EXAMPLE.findall(DOCUMENTS[language].read_text(encoding="utf-8"))
    return [f"rules:\n{textwrap.indent(text, '  ')}" if text.startswith("- ") else text for text in found]


ALL_EXAMPLES: Final = [
    *(text for language in LANGUAGES for text in examples(language)),
    *(path.read_text(encoding="utf-8") for path in EXAMPLE_FILES),
]


@pytest.mark.parametrize("text", ALL_EXAMPLES)
def test_an_example_has_no_errors_and_no_warnings(text: str) -> None:
    compiled = compile_rules(parse_rules(text))

    assert lint(compiled, today=TODAY.toordinal()) == ()
    assert lint_own_spellings(compiled) == ()


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_worked_example_gives_the_tags_that_it_says(language: Language) -> None:
    compiled = compile_rules(parse_rules(examples(language)[-1]))
    rows = ROW.findall(DOCUMENTS[language].read_text(encoding="utf-8"))

    assert len(rows) == 4
    for spent, orders, last_order, before, after in rows:
        ordered_ms = None
        if last_order != "–":
            ordered_ms = int(datetime.fromisoformat(f"{last_order}T05:00:00+00:00").timestamp() * 1000)
        tags = tags_of(before)
        customer = Customer(
            id=1,
            total_spent=int(spent) * 10_000,
            orders_count=int(orders),
            last_order_ms=ordered_ms,
            tags=tags,
        )
        decision = decide(
            rules=compiled,
            customer=customer,
            state=EMPTY_STATE,
            today=TODAY.toordinal(),
            now_ms=int(TODAY.timestamp() * 1000),
            version=1,
        )
        changed = apply_change(tag_set(tags), decision.change)
        assert sorted(changed.names) == sorted(tags_of(after))


def tags_of(cell: str) -> tuple[str, ...]:
    return () if cell == "–" else tuple(cell.split(", "))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_tables_are_those_of_the_code(language: Language) -> None:
    found = TABLES.search(DOCUMENTS[language].read_text(encoding="utf-8"))

    assert found is not None
    assert found[2].strip() == markdown_tables(translator_for(language)).strip(), (
        "write them again: python -m tests.deploy.test_rules_docs"
    )


@pytest.mark.parametrize("text", ALL_EXAMPLES)
def test_an_example_is_valid_by_the_json_schema(text: str) -> None:
    validator = jsonschema_rs.Draft202012Validator(json_schema(translator_for("en")))

    errors = [f"{error.instance_path} {error.message}" for error in validator.iter_errors(plain(text))]

    assert errors == []


def plain(text: str) -> Any:
    """The data as an editor of YAML 1.2 reads it."""
    return as_plain(parse_yaml(text).data)


def as_plain(value: Any) -> Any:
    """Decimal numbers as floats."""
    match value:
        case dict():
            return {key: as_plain(item) for key, item in value.items()}
        case list():
            return [as_plain(item) for item in value]
        case None | bool() | int() | str():
            return value
    return float(value)


@pytest.mark.parametrize(
    "text",
    [
        "rules: [{id: a, tag: A}]",
        "rules: [{id: A B, tag: A, when: {field: orders_count, op: is, value: 1}}]",
        "rules: [{id: a, tag: 'A,B', when: {field: orders_count, op: is, value: 1}}]",
        "rules: [{id: a, tag: A, when: {field: order_count, op: is, value: 1}}]",
        "rules: [{id: a, tag: A, when: {field: orders_count, op: has_any, value: 1}}]",
        "rules: [{id: a, tag: A, when: {field: total_spent, op: at_least, value: 10 triệu}}]",
        "rules: [{id: a, tag: A, when: {field: last_order_date, op: within_last}}]",
        "rules: [{id: a, tag: A, when: {field: tags, op: has_any, value: VIP}}]",
        "rules: [{id: a, tag: A, keep: soon, when: {field: birthday, op: today}}]",
        "tiers: [{id: a, levels: []}]",
        "rulez: []",
    ],
)
def test_the_json_schema_refuses_what_the_parser_refuses(text: str) -> None:
    validator = jsonschema_rs.Draft202012Validator(json_schema(translator_for("en")))

    assert not validator.is_valid(plain(text))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_json_schema_describes_every_key_of_every_part(language: Language) -> None:
    schema = json_schema(translator_for(language))
    definitions = schema["$defs"]

    assert set(schema["properties"]) == set(RuleSet.model_fields)
    for part in (schema, *definitions.values()):
        assert part["additionalProperties"] is False
        assert all(each.get("description") for each in part["properties"].values())
    described = str(definitions["Condition"])
    assert all(f"'{name}'" in described for name in FIELDS)
    assert all(f"'{name}'" in described for operators in OPERATORS.values() for name in operators)


def write_tables() -> None:
    """Write the tables into both documents."""
    for language, path in DOCUMENTS.items():
        tables = markdown_tables(translator_for(language))
        text = path.read_text(encoding="utf-8")
        path.write_text(
            TABLES.sub(lambda found, new=tables: f"{found[1]}\n{new}\n{found[3]}", text), encoding="utf-8"
        )


if __name__ == "__main__":
    write_tables()
