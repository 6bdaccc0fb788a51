"""The servers of the store: one client for a single server, Sentinel and a cluster.

It keeps one connection to each server, finds the owner of each key, and repeats what a failover or a move of keys
interrupts."""

from service.store.servers.address import (
    SCHEMES,
    Address,
    Credentials,
    Endpoint,
    parse_address,
)
from service.store.servers.client import ServerClient, StoreClient
from service.store.servers.cluster import SLOTS, Member, parse_members
from service.store.servers.connection import Connection, ConnectionOptions, pack_command
from service.store.servers.discovery import PrimaryNotFound, find_primary
from service.store.servers.errors import (
    CertificateError,
    CommandsOverflow,
    DiskFailed,
    Failover,
    NoReplicas,
    ScriptBusy,
    is_temporary,
)
from service.store.servers.router import Router
from service.store.servers.server import Server

__all__ = [
    "SCHEMES",
    "SLOTS",
    "Address",
    "CertificateError",
    "CommandsOverflow",
    "Connection",
    "ConnectionOptions",
    "Credentials",
    "DiskFailed",
    "Endpoint",
    "Failover",
    "Member",
    "NoReplicas",
    "PrimaryNotFound",
    "Router",
    "ScriptBusy",
    "Server",
    "ServerClient",
    "StoreClient",
    "find_primary",
    "is_temporary",
    "pack_command",
    "parse_address",
    "parse_members",
]
