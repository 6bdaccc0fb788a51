"""Fields of a customer as people give them: `--set name=value`, or a JSON object from a file or stdin."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from deploy.cli.output import PERSONAL
from service.errors import Refused
from service.files import read_text


def read_fields(assignments: Iterable[str], file: str) -> dict[str, Any]:
    """The fields of both, `--set` above the file. Raises Refused where one cannot be understood, or there is none.

    Personal data is taken from the file or stdin alone: arguments stand in process lists and in histories.
    """
    fields = _from_file(file) if file else {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals or not name.strip():
            raise Refused("write --set FIELD=VALUE")
        if name.strip() in PERSONAL:
            raise Refused(
                f"{name.strip()} is personal data and does not belong into a command's arguments: "
                f"""give it as JSON, for example: echo '{{"{name.strip()}": "…"}}' | tagger customers … --file -"""
            )
        fields[name.strip()] = _value(value)
    if not fields:
        raise Refused("no field was given: use --set FIELD=VALUE or --file FILE")
    return fields


def _value(text: str) -> Any:
    """JSON where it is meant (true, null, numbers, objects), else the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _from_file(file: str) -> dict[str, Any]:
    text = sys.stdin.read() if file == "-" else read_text(Path(file))
    try:
        found = json.loads(text)
    except ValueError as exc:
        raise Refused(f"{file} is not JSON") from exc
    if not isinstance(found, dict):
        raise Refused(f"{file} does not hold a JSON object")
    return found
