"""Both catalogs have the same texts, and every outcome of a decision has one."""

from __future__ import annotations

import string
from typing import get_args

import pytest

from service.domain.decisions.outcome import ChangeCause
from service.domain.explain.model import RuleStatus
from service.domain.explain.wording import LANGUAGES, Language
from service.locales import catalog_for, parse_language, translator_for
from service.store.jobs.runs import ID_PREFIX

DAY_PLACEHOLDERS = {"name", "month", "year"}  # each language writes days its own way


def test_both_languages_have_the_same_texts_with_the_same_placeholders() -> None:
    vi, en = (
        {message.id: message.string for message in catalog_for(language) if message.id}
        for language in LANGUAGES
    )

    assert vi.keys() == en.keys()
    for key in vi:
        assert placeholders(vi[key]) == placeholders(en[key]), key
        assert all(text.strip() for catalog in (vi, en) for text in forms(catalog[key])), key


def forms(text: object) -> list[str]:
    """The plural forms of a text, or the text itself."""
    return [*map(str, text)] if isinstance(text, tuple) else [str(text)]


def placeholders(text: object) -> set[str]:
    names = {name for form in forms(text) for _, name, _, _ in string.Formatter().parse(form) if name}
    return names - DAY_PLACEHOLDERS


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_status_and_cause_has_its_text(language: Language) -> None:
    translator = translator_for(language)
    keys = [f"state.{status}" for status in get_args(RuleStatus) if status != "kept"]
    keys += ["state.kept.until", "state.kept.forever"]
    keys += [f"why.{cause}" for cause in get_args(ChangeCause)]
    keys += [
        f"cause.{kind}" for kind in ("delivery", "schedule", "requeue", "retry", "recovered", *ID_PREFIX)
    ]

    assert [key for key in keys if not translator.has(key)] == []


def test_an_unknown_key_raises() -> None:
    with pytest.raises(KeyError):
        translator_for("vi")("no.such.key")


def test_a_language_that_we_do_not_have_is_vietnamese() -> None:
    assert (parse_language("en"), parse_language("fr"), parse_language(None)) == ("en", "vi", "vi")
