"""A rules file, read as typed on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.output import errors

if TYPE_CHECKING:
    from service.domain.rules import RuleSet

File = Annotated[Path, typer.Argument(metavar="FILE", help="A rules document (YAML or JSON); - reads stdin.")]


def read(file: Path) -> RuleSet:
    """The rules in a file; prints every error and ends the command when there are any."""
    import sys

    from service.domain.parsing import parse_rules
    from service.domain.problems import BadRules
    from service.files import read_text

    text = sys.stdin.read() if str(file) == "-" else read_text(file)
    try:
        return parse_rules(text)
    except BadRules as exc:
        for problem in exc.problems:
            errors().print(f"{file}: {problem}", soft_wrap=True)
        errors().print(f"{file}: {len(exc.problems)} {'error' if len(exc.problems) == 1 else 'errors'}.")
        raise typer.Exit(1) from exc
