"""The texts for people, as gettext catalogs: .po files for each language, compiled in memory on first use.

`vi.po` and `en.po` have the texts of the domain. Others have names such as `pages.vi.po`; all files of a language become
one catalog, and no key may be in two of them. The files in `sentences` have the Vietnamese of what is written in English in
the code (errors, audit entries, the command line): the English sentence is its key, and its own English text.

Others call `translator_for`, with a language that `parse_language` accepted.
"""

from __future__ import annotations

import io
from functools import cache
from gettext import GNUTranslations
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from babel.messages.catalog import Catalog, Message
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
    for source in _sources(files(__name__), language):
        _add(catalog, source, language)
    for source in _sources(files(__name__) / "sentences", "vi"):
        _add(catalog, source, language, is_english=language == "en")
    return catalog


def _sources(folder: Traversable, language: Language) -> list[Traversable]:
    """The .po files of a language, by name."""
    found = (file for file in folder.iterdir() if f".{file.name}".endswith(f".{language}.po"))
    return sorted(found, key=lambda file: file.name)


def _add(catalog: Catalog, source: Traversable, language: Language, *, is_english: bool = False) -> None:
    """Add the texts of a file. `is_english`: its keys are the texts. Raises ValueError for a key that is there already."""
    for message in read_po(io.BytesIO(source.read_bytes()), locale=language):
        if message.id and message.id in catalog:
            raise ValueError(f"{message.id} of {source.name} is in another catalog, too")
        if message.id:
            catalog[message.id] = Message(message.id, string=message.id) if is_english else message


def parse_language(text: str | None) -> Language:
    """Return the requested language, or Vietnamese if we do not have it."""
    return next((language for language in LANGUAGES if language == text), DEFAULT_LANGUAGE)
