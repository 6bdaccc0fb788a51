"""Secrets come from a prompt or from stdin, never from arguments: those stand in process lists and histories."""

from __future__ import annotations

import sys

import typer

from service.errors import Refused


def read_secret(what: str, *, from_stdin: bool) -> str:
    """One secret: a line of stdin, or typed unseen. Raises Refused when there is none."""
    if from_stdin:
        value = sys.stdin.readline().strip()
    elif sys.stdin.isatty():
        value = str(typer.prompt(what, hide_input=True, err=True)).strip()
    else:
        raise Refused(f"{what}: there is no terminal to ask at; write it to stdin and add --token-stdin")
    if not value:
        raise Refused(f"{what}: nothing was given")
    return value
