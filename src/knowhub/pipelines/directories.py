"""Directories: who there is at a source and who holds what, read whole and stored at once, or not at all."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from knowhub.core.errors import KnowhubError
from knowhub.core.ports import Directory, DirectoryLedger
from knowhub.core.types import ANYONE, Membership, Person, Principal, SourceName

log = logging.getLogger(__name__)

FOREIGN_PERSON = "a person of another source"
FOREIGN_PRINCIPAL = "a principal of another source"
FOREIGN_MEMBER = "a member of another source"
_MOST_EMAIL_CHARS = 320


@dataclass(frozen=True, slots=True)
class DirectoryReport:
    """What one reading stored. `memberships` are pairs of a principal and one of its members.

    `dropped` counts by reason what a source said of principals that are not its own. `error` "": it was read whole;
    else nothing was changed, and what was stored before grows old.
    """

    source: SourceName
    people: int = 0
    memberships: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    error: str = ""


def read_directory(
    source: SourceName, directory: Directory, ledger: DirectoryLedger, clock: Callable[[], datetime]
) -> DirectoryReport:
    """Store a source's people and memberships in place of all that was stored of them.

    A source that cannot be read is noted in the ledger and in the report, not raised. The age counts from the
    beginning of the reading: what changed during it may have been missed.
    """
    at, dropped = clock(), Counter[str]()
    try:
        people = list(_own_people(source, directory.people(), dropped))
        memberships = list(_own_memberships(source, directory.memberships(), dropped))
    except KnowhubError as error:
        return _failed(source, str(error), ledger, at)
    except Exception as error:
        # A fault of ours in one source must not pass for a directory that is still young.
        _failed(source, f"unexpected {type(error).__name__}", ledger, at)
        raise
    ledger.replace(source, people, memberships, at)
    pairs = sum(len(one.members) for one in memberships)
    if dropped:
        log.warning("a directory named principals of others", extra={"source": source, "dropped": dict(dropped)})
    log.info("directory read", extra={"source": source, "people": len(people), "memberships": pairs})
    return DirectoryReport(source, len(people), pairs, dict(dropped))


def _failed(source: SourceName, error: str, ledger: DirectoryLedger, at: datetime) -> DirectoryReport:
    log.warning("a directory cannot be read", extra={"source": source, "reason": error})
    ledger.note_failure(source, error, at)
    return DirectoryReport(source, error=error)


def _own_people(source: SourceName, people: Iterable[Person], dropped: Counter[str]) -> Iterator[Person]:
    for one in people:
        if _is_own(source, one.principal):
            yield Person(one.principal, _storable(one.name), _address(one.email))
        else:
            dropped[FOREIGN_PERSON] += 1


def _own_memberships(
    source: SourceName, memberships: Iterable[Membership], dropped: Counter[str]
) -> Iterator[Membership]:
    """One a principal, with those members that this source may speak of."""
    for one in memberships:
        if not _is_own(source, one.principal):
            dropped[FOREIGN_PRINCIPAL] += 1
            continue
        own = frozenset(member for member in one.members if member == ANYONE or _is_own(source, member))
        dropped.update({FOREIGN_MEMBER: len(one.members) - len(own)} if own != one.members else {})
        yield Membership(one.principal, own)


def _is_own(source: SourceName, principal: Principal) -> bool:
    """A source grants what begins with its name, and nothing else: no connector can make anybody `owner`."""
    return principal.startswith(f"{source}:") and _storable(principal) == principal


def _address(email: str) -> str:
    """ "" for what cannot be one; it would match nobody, or too many."""
    email = email.strip()
    good = email.count("@") == 1 and email.isprintable() and " " not in email and len(email) <= _MOST_EMAIL_CHARS
    return email if good and not email.startswith("@") and not email.endswith("@") else ""


def _storable(text: str) -> str:
    """Without halves of characters, which some vendors cut out and no database takes."""
    return text.encode("utf-8", "replace").decode("utf-8")
