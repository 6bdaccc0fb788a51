"""The catalogues of what is said to people: .po files, compiled in memory when they are first asked for."""

from __future__ import annotations

import io
from functools import cache
from gettext import GNUTranslations
from importlib.resources import files

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from service.domain.explain import LANGUAGES, Language, StrictTranslations, Translator

DEFAULT: Language = "vi"


@cache
def words(language: Language = DEFAULT) -> Translator:
    """The words of a language."""
    compiled = io.BytesIO()
    write_mo(compiled, catalogue(language))
    compiled.seek(0)
    translations = GNUTranslations(compiled)
    translations.add_fallback(StrictTranslations())
    return Translator(language, translations)


@cache
def catalogue(language: Language) -> Catalog:
    """The catalogue as written."""
    source = files(__name__).joinpath(f"{language}.po").read_bytes()
    return read_po(io.BytesIO(source), locale=language)


def language_of(text: str | None) -> Language:
    """The language that was asked for, the default one where we do not have it."""
    return next((each for each in LANGUAGES if each == text), DEFAULT)
