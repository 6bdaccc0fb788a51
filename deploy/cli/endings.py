"""How a command ends: which failure gives which exit code, and the one message that a person reads."""

from __future__ import annotations

import sys
from enum import IntEnum

from service.errors import BadSettings, HaravanError, StoreAway, TaggerError


class Exit(IntEnum):
    """The exit codes; they stand in the README."""

    DONE = 0
    PROBLEMS = 1  # refused, not found, or problems were found
    USAGE = 2  # wrong arguments or settings
    STORE_AWAY = 3  # try again later
    HARAVAN = 4  # Haravan refused or did not answer
    INTERRUPTED = 130


def code_of(error: BaseException) -> Exit:
    """The exit code for what a command raised."""
    from redis.exceptions import RedisError

    match error:
        case KeyboardInterrupt():
            return Exit.INTERRUPTED
        case BadSettings():
            return Exit.USAGE
        case StoreAway() | RedisError():
            return Exit.STORE_AWAY
        case HaravanError():
            return Exit.HARAVAN
        case TaggerError() | OSError():
            return Exit.PROBLEMS
    raise error  # a bug: its traceback is what helps


def message_of(error: BaseException) -> str:
    """What to say of it, without a traceback."""
    from redis.exceptions import RedisError

    match error:
        case KeyboardInterrupt():
            return "Stopped."
        case RedisError():
            return f"The store did not answer ({error or type(error).__name__}). Is REDIS_URL right, and is it running?"
        case OSError():
            return f"{error.strerror or error}" + (f": {error.filename}" if error.filename else "")
    return str(error)


def end_with(error: BaseException) -> None:
    """Say what happened on stderr and exit with its code; a bug is raised again."""
    code = code_of(error)
    print(message_of(error), file=sys.stderr)
    raise SystemExit(int(code))
