"""The texts for people, as gettext catalogs: one .po file for each language, compiled in memory on first use.

Others call `translator_for`, with a language that `parse_language` accepted.
"""

from __future__ import annotations

import io
from functools import cache
from gettext import GNUTranslations
from importlib.resources import files
from typing import Final

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from service.domain.explain import LANGUAGES, Language, StrictTranslations, Translator

__all__ = ["catalog_for", "parse_language", "translator_for"]

DEFAULT_LANGUAGE: Final[Language] = "vi"


@cache
def translator_for(language: Language = DEFAULT_LANGUAGE) -> Translator:
    """The translator of a language. It raises KeyError for a key that the catalog does not have."""
    compiled = io.BytesIO()
    write_mo(compiled, catalog_for(language))
    compiled.seek(0)
    translations = GNUTranslations(compiled)
    translations.add_fallback(StrictTranslations())
    return Translator(language, translations)


@cache
def catalog_for(language: Language) -> Catalog:
    """The catalog of a language, as its .po file has it."""
    source = files(__name__).joinpath(f"{language}.po").read_bytes()
    return read_po(io.BytesIO(source), locale=language)


def parse_language(text: str | None) -> Language:
    """Return the requested language, or Vietnamese if we do not have it."""
    return next((language for language in LANGUAGES if language == text), DEFAULT_LANGUAGE)
