"""Errors of servers as exceptions: redis-py's classes, and classes for the errors that redis-py does not know.

RedisError
├── ConnectionError         the server cannot be reached, or closed the connection
│   ├── AuthenticationError wrong user or password                            never repeated
│   ├── CertificateError    the server's certificate or name is wrong         never repeated
│   └── BusyLoadingError    the server reads its data after a start           repeated
├── TimeoutError            the server did not answer in time                 repeated
├── CommandsOverflow        too many commands wait for this server            never repeated
└── ResponseError           the server refused the command
    ├── MovedError, AskError, TryAgainError, ClusterDownError                 another server, or later
    ├── MasterDownError, ReadOnlyError, Failover, NoReplicas                  another server, or later
    ├── DiskFailed, ScriptBusy, OutOfMemoryError, NoPermissionError           never repeated
    └── NoScriptError       the script is loaded, and called again
"""

from __future__ import annotations

from typing import Final

from redis.exceptions import (
    AskError,
    AuthenticationError,
    BusyLoadingError,
    ClusterCrossSlotError,
    ClusterDownError,
    ExecAbortError,
    MasterDownError,
    MovedError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError


class CertificateError(RedisConnectionError):
    """The certificate of the server is not valid, or is for another name; or a file of ours is unusable."""


class CommandsOverflow(RedisError):
    """Too many commands wait for the answers of one server."""


class DiskFailed(ResponseError):
    """MISCONF: the server cannot write to its disk."""


class NoReplicas(ResponseError):
    """NOREPLICAS: fewer replicas are connected than `min-replicas-to-write` asks for."""


class ScriptBusy(ResponseError):
    """BUSY: a script of another client blocks the server."""


class Failover(ResponseError):
    """UNBLOCKED: the server was made a replica while it held the command."""


_BY_CODE: Final[dict[str, type[RedisError]]] = {
    "ASK": AskError,
    "BUSY": ScriptBusy,
    "CLUSTERDOWN": ClusterDownError,
    "CROSSSLOT": ClusterCrossSlotError,
    "EXECABORT": ExecAbortError,
    "LOADING": BusyLoadingError,
    "MASTERDOWN": MasterDownError,
    "MISCONF": DiskFailed,
    "MOVED": MovedError,
    "NOAUTH": AuthenticationError,
    "NOPERM": NoPermissionError,
    "NOREPLICAS": NoReplicas,
    "NOSCRIPT": NoScriptError,
    "OOM": OutOfMemoryError,
    "READONLY": ReadOnlyError,
    "TRYAGAIN": TryAgainError,
    "UNBLOCKED": Failover,
    "WRONGPASS": AuthenticationError,
}
# redis-py leaves the code in the text of these, because its connections do not know them.
_KEEPS_CODE: Final = frozenset(
    ["BUSY", "CLUSTERDOWN", "CROSSSLOT", "MASTERDOWN", "MISCONF", "NOREPLICAS", "TRYAGAIN", "UNBLOCKED"]
)
_MAX_CLIENTS: Final = "ERR max number of clients"  # " reached", in a cluster " + cluster connections reached"

# The command was not executed, and the same server, or the owner of the key by then, may execute it later.
WAIT: Final = (
    TryAgainError,
    ClusterDownError,  # and MasterDownError
    ReadOnlyError,
    Failover,
    NoReplicas,
    BusyLoadingError,
)
LOST: Final = (RedisConnectionError, RedisTimeoutError)  # it may have been executed
NEVER_REPEATED: Final = (AuthenticationError, CertificateError)


def to_error(text: str) -> RedisError:
    """The exception of an error reply, which is `CODE text`, with the text that redis-py gives it."""
    code, _, rest = text.partition(" ")
    kind = _BY_CODE.get(code)
    if kind is not None:
        try:
            return kind(text if code in _KEEPS_CODE else rest)
        except ValueError:  # a redirection that names no server
            return ResponseError(text)
    if text.startswith(_MAX_CLIENTS):
        return RedisConnectionError(rest)
    return ResponseError(text.removeprefix("ERR ") if code == "ERR" else text)


def is_temporary(error: BaseException) -> bool:
    """Whether the command may be repeated after a pause."""
    return isinstance(error, (*WAIT, *LOST)) and not isinstance(error, NEVER_REPEATED)


def copy_of(error: RedisError) -> RedisError:
    """The same error, to be raised by another caller: an exception that many callers raise collects their frames."""
    return type(error)(*error.args)
