"""Implements `Leases`: a row with an expiry, and proof of life for holders on this machine.

A holder elsewhere frees its lease by letting it expire; one on this machine is asked for directly, so that a
killed sync does not keep the next one waiting. Every commit names its lease: whoever lost it changes nothing,
however clocks jumped.
"""

from __future__ import annotations

import os
import socket
import sqlite3
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from knowhub.core.errors import LeaseHeld
from knowhub.core.ports import LeaseToken
from knowhub.ledger.sqlite.database import Database

LEASE_S = 60.0
_held: set[str] = set()
"""Owners at work in this process. A release that a full disk refused frees its lease nevertheless."""


class SqliteLeases:
    """`clock` gives seconds since the epoch."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time, lease_s: float = LEASE_S) -> None:
        self._database = database
        self._clock = clock
        self._lease_s = lease_s

    def acquire(self, name: str) -> LeaseToken:
        token = LeaseToken(name, f"{_machine()}/{os.getpid()}/{_birth(os.getpid())}/{uuid.uuid4().hex}")
        now = self._clock()
        _held.add(token.owner)
        try:
            self._take(token, now)
        except BaseException:
            _held.discard(token.owner)
            raise
        return token

    def _take(self, token: LeaseToken, now: float) -> None:
        name = token.name
        with self._database.transaction() as connection:
            row = connection.execute("SELECT owner, expires_at FROM leases WHERE name = ?", (name,)).fetchone()
            if row and self._alive(row[0], row[1], now):
                pid = row[0].split("/")[1]
                raise LeaseHeld(
                    f"{name} is being synced by another process (pid {pid})", cure="Wait for it to end, or stop it."
                )
            connection.execute(
                "INSERT OR REPLACE INTO leases VALUES (?, ?, ?)", (name, token.owner, now + self._lease_s)
            )

    def renew(self, token: LeaseToken) -> None:
        with self._database.transaction() as connection:
            require(connection, token)
            connection.execute(
                "UPDATE leases SET expires_at = ? WHERE name = ?", (self._clock() + self._lease_s, token.name)
            )

    def release(self, token: LeaseToken) -> None:
        _held.discard(token.owner)
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM leases WHERE name = ? AND owner = ?", (token.name, token.owner))

    def _alive(self, owner: str, expires_at: float, now: float) -> bool:
        machine, pid, birth, _ = owner.split("/")
        if machine == _machine():
            if int(pid) == os.getpid():
                return owner in _held
            return _birth(int(pid)) == birth
        # An expiry further off than a lease lasts was written before the clock went back.
        return now < expires_at <= now + self._lease_s


def require(connection: sqlite3.Connection, token: LeaseToken) -> None:
    """Raises LeaseHeld unless `token` still holds its lease."""
    row = connection.execute("SELECT owner FROM leases WHERE name = ?", (token.name,)).fetchone()
    if row is None or row[0] != token.owner:
        raise LeaseHeld(f"the lease on {token.name} was taken over by another process", cure="Sync again.")


def _machine() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id")
    try:
        return f"{socket.gethostname()}-{boot.read_text().strip()}"
    except OSError:
        return socket.gethostname()


def _birth(pid: int) -> str:
    """When a process started, in kernel ticks; "" if there is none. Tells a reused pid from the old one."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return "" if Path("/proc/self").exists() or not _signals(pid) else "alive"
    except OSError:
        return ""
    state, *fields = stat.rpartition(")")[2].split()
    return "" if state == "Z" else fields[18]


def _signals(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
