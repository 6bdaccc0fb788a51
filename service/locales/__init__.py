"""The texts for people, as gettext catalogs: .po files for each language, compiled in memory on first use.

`vi.po` and `en.po` have the texts of the domain. Others have names such as `pages.vi.po`; all files of a language become
one catalog, and no key may be in two of them.

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
    """The catalog of a language, as its .po files have it. Raises ValueError for a key that two of them have."""
    catalog = Catalog(locale=language)
    for source in sorted(files(__name__).iterdir(), key=lambda file: file.name):
        if source.name == f"{language}.po" or source.name.endswith(f".{language}.po"):
            for message in read_po(io.BytesIO(source.read_bytes()), locale=language):
                if message.id and message.id in catalog:
                    raise ValueError(f"{message.id} of {source.name} is in another catalog, too")
                if message.id:
                    catalog[message.id] = message
    return catalog


def parse_language(text: str | None) -> Language:
    """Return the requested language, or Vietnamese if we do not have it."""
    return next((language for language in LANGUAGES if language == text), DEFAULT_LANGUAGE)
