"""Exit codes and error messages of commands."""

from __future__ import annotations

import sys
from enum import IntEnum

from deploy.cli.wording import translate, translator
from service.errors import HaravanError, InvalidSettings, StoreUnavailable, TaggerError, TokenRejected


class UsageError(TaggerError):
    """Wrong arguments of a command. The message says what to write instead."""


class Exit(IntEnum):
    """The exit codes, as documented in the README."""

    SUCCESS = 0
    PROBLEMS = 1  # refused, not found, or a check found problems
    USAGE = 2  # wrong arguments or settings
    STORE_UNAVAILABLE = 3  # try again later
    HARAVAN = 4  # Haravan refused or did not answer
    INTERRUPTED = 130


def exit_code(error: BaseException) -> Exit:
    """The exit code for an exception. An unexpected exception is raised again: its traceback is needed."""
    from redis.exceptions import RedisError

    match error:
        case KeyboardInterrupt():
            return Exit.INTERRUPTED
        case InvalidSettings() | UsageError():
            return Exit.USAGE
        case StoreUnavailable() | RedisError():
            return Exit.STORE_UNAVAILABLE
        case HaravanError():
            return Exit.HARAVAN
        case TaggerError() | OSError():
            return Exit.PROBLEMS
    raise error


def error_message(error: BaseException) -> str:
    """The message for an exception in the language of the command, without a traceback."""
    from redis.exceptions import RedisError

    match error:
        case KeyboardInterrupt():
            return translate("Stopped.")
        case RedisError():
            return translate(
                "Redis did not answer ({error}). Is REDIS_URL correct, and is the server running?",
                error=str(error) or type(error).__name__,
            )
        case TokenRejected():
            return translate(
                "Haravan rejects the token: {why}. `tagger doctor` says what to do",
                why=error.text(translator()),
            )
        case TaggerError():
            return error.text(translator())
        case FileNotFoundError(filename=str() as path):
            return translate("there is no file {path}", path=path)
        case OSError():
            return f"{error.strerror or error}" + (f": {error.filename}" if error.filename else "")
    return str(error)


def exit_with(error: BaseException, *, hint: str = "") -> None:
    """Print the message and the hint on stderr, and exit with the code."""
    code = exit_code(error)
    print(*filter(None, (error_message(error), hint)), sep="\n", file=sys.stderr)
    raise SystemExit(int(code))
