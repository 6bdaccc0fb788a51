"""Every error of a server is one of the exceptions that callers know."""

from __future__ import annotations

import pytest
from redis import exceptions

from service.store.servers import errors
from service.store.servers.errors import is_temporary, to_error


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        ("ERR unknown command", exceptions.ResponseError, "unknown command"),
        ("WRONGTYPE Operation against", exceptions.ResponseError, "WRONGTYPE Operation against"),
        ("NOAUTH Authentication required.", exceptions.AuthenticationError, "Authentication required."),
        ("WRONGPASS invalid password", exceptions.AuthenticationError, "invalid password"),
        ("NOPERM no permissions", exceptions.NoPermissionError, "no permissions"),
        ("OOM command not allowed", exceptions.OutOfMemoryError, "command not allowed"),
        ("NOSCRIPT No matching script.", exceptions.NoScriptError, "No matching script."),
        ("EXECABORT Transaction discarded", exceptions.ExecAbortError, "Transaction discarded"),
        (
            "MISCONF Errors writing to the AOF file",
            errors.DiskFailed,
            "MISCONF Errors writing to the AOF file",
        ),
        ("BUSY Valkey is busy", errors.ScriptBusy, "BUSY Valkey is busy"),
        ("CROSSSLOT Keys in request", exceptions.ClusterCrossSlotError, "CROSSSLOT Keys in request"),
    ],
)
def test_an_error_that_is_not_repeated(text: str, kind: type[Exception], words: str) -> None:
    error = to_error(text)

    assert (type(error), str(error)) == (kind, words)
    assert not is_temporary(error)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("LOADING Valkey is loading", exceptions.BusyLoadingError),
        ("READONLY You can't write", exceptions.ReadOnlyError),
        ("MASTERDOWN Link with MASTER is down", exceptions.MasterDownError),
        ("CLUSTERDOWN The cluster is down", exceptions.ClusterDownError),
        ("TRYAGAIN Multiple keys request", exceptions.TryAgainError),
        ("NOREPLICAS Not enough good replicas", errors.NoReplicas),
        ("UNBLOCKED force unblock", errors.Failover),
        ("ERR max number of clients reached", exceptions.ConnectionError),
        ("ERR max number of clients + cluster connections reached", exceptions.ConnectionError),
    ],
)
def test_an_error_that_is_repeated(text: str, kind: type[Exception]) -> None:
    error = to_error(text)

    assert type(error) is kind
    assert is_temporary(error)


@pytest.mark.parametrize("host", ["10.0.0.1", "2001:db8::1", "store.example", ""])
def test_a_redirection_names_a_server(host: str) -> None:
    for code, kind in (("MOVED", exceptions.MovedError), ("ASK", exceptions.AskError)):
        error = to_error(f"{code} 3999 {host}:6381")

        assert type(error) is kind
        assert (error.host, error.port, error.slot_id) == (host, 6381, 3999)


@pytest.mark.parametrize("text", ["MOVED", "MOVED 1", "MOVED 1 a", "ASK x a:1", "ASK 1 a:b"])
def test_a_redirection_that_names_no_server_is_an_error_like_any_other(text: str) -> None:
    error = to_error(text)

    assert (type(error), str(error)) == (exceptions.ResponseError, text)


@pytest.mark.parametrize(
    "error", [errors.CertificateError("wrong name"), errors.CommandsOverflow("too many")]
)
def test_what_no_repetition_helps(error: Exception) -> None:
    assert not is_temporary(error)
