"""The language of the command line: of everything that commands print, also of errors. `--json` has the same keys in both.

`tagger --lang vi`, also behind the command; else TAGGER_LANG; else the locale: Vietnamese if LC_ALL, LC_MESSAGES or LANG
begins with `vi`, and English otherwise.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

from service.sentence import Sentence

if TYPE_CHECKING:
    from service.domain.explain import Language, Translator

LANGUAGE_OPTION: Final = "--lang"
LANGUAGE_SETTING: Final = "TAGGER_LANG"
LOCALE_VARIABLES: Final = ("LC_ALL", "LC_MESSAGES", "LANG")
LANGUAGES: Final[tuple[Language, ...]] = (
    "vi",
    "en",
)  # those of the catalogs, which are loaded only to translate
UNKNOWN_LANGUAGE: Final = Sentence("{name}: use one of {choices}", name=LANGUAGE_SETTING, choices="vi, en")

_chosen: ContextVar[Language | None] = ContextVar("language", default=None)


def take_language(arguments: Sequence[str]) -> tuple[list[str], str | None]:
    """The arguments without `--lang LANGUAGE`, which may stand anywhere before `--`, and the language; None without it."""
    rest: list[str] = []
    wanted: str | None = None
    queue = list(arguments)
    while queue:
        argument = queue.pop(0)
        name, equals, value = argument.partition("=")
        if argument == "--":
            return [*rest, argument, *queue], wanted
        if name != LANGUAGE_OPTION:
            rest.append(argument)
        elif equals:
            wanted = value
        else:
            wanted = queue.pop(0) if queue else ""
    return rest, wanted


def choose_language(text: str | None) -> bool:
    """Set the language of this command; None leaves it to the environment. False if we do not have the language."""
    found = next((language for language in LANGUAGES if language == text), None)
    _chosen.set(found)
    return text is None or found is not None


def is_setting_known(environ: Mapping[str, str] | None = None) -> bool:
    """Whether TAGGER_LANG is unset, or a language that we have."""
    return (os.environ if environ is None else environ).get(LANGUAGE_SETTING, "") in ("", *LANGUAGES)


def language(environ: Mapping[str, str] | None = None) -> Language:
    """The language of this command."""
    chosen = _chosen.get()
    if chosen is not None:
        return chosen
    variables = os.environ if environ is None else environ
    setting = variables.get(LANGUAGE_SETTING)
    for each in LANGUAGES:
        if setting == each:
            return each
    locale = next(filter(None, map(variables.get, LOCALE_VARIABLES)), "")
    return "vi" if locale.lower().startswith("vi") else "en"


def translator() -> Translator:
    """The translator of this command's language."""
    from service.locales import translator_for

    return translator_for(language())


def translate(english: str, /, **params: object) -> str:
    """A sentence in the language of this command. The English text is its key in `service/locales/sentences`."""
    return translator()(english, **params)


def deferred(english: str) -> str:
    """A text that `translate` gets later. The test of the catalogs looks for such calls."""
    return english


def headings(*names: str) -> list[str]:
    """Headings of a table in the language of this command. A leading > stays: it aligns the column to the right."""
    words = translator()
    return [f"{'>' * name.startswith('>')}{words(name.removeprefix('>'))}" for name in names]
