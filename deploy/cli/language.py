"""The languages in which a command can tell: sentences come from the catalogues of service/locales."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class Language(StrEnum):
    """As words.Language, for the command line to check what is typed."""

    VI = "vi"
    EN = "en"


Lang = Annotated[Language, typer.Option(help="The language of sentences.")]
