"""The proof proves something: each way in which connectors lose data, or show it to strangers, is found."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from knowhub.core.errors import AccessDenied
from knowhub.core.ports import Known
from knowhub.core.types import (
    Acl,
    Census,
    Checkpoint,
    ContainerId,
    Cursor,
    Fetched,
    Gap,
    Membership,
    RawRecord,
)
from tests.contracts.api_source import ApiSourceContract, ApiWorld
from tests.examples.test_connector import EXAMPLE, NoticeboardWorld
from tests.servers.noticeboard import TOKEN

Fetch = Callable[[Cursor | None, Known], Iterator[Fetched]]


class Forgetful(EXAMPLE.NoticeboardSource):  # type: ignore[misc, name-defined]  # the example is loaded from its file
    """The cursor is saved before what it stands for."""

    def fetch(self, cursor: Cursor | None, known: Known) -> Iterator[Fetched]:
        waiting: list[Fetched] = []
        for fetched in super().fetch(cursor, known):
            if isinstance(fetched, Checkpoint):
                yield fetched
                yield from waiting
                waiting = []
            else:
                waiting.append(fetched)


class Hoarding(EXAMPLE.NoticeboardSource):  # type: ignore[misc, name-defined]
    """What was taken down is never noticed."""

    def fetch(self, cursor: Cursor | None, known: Known) -> Iterator[Fetched]:
        return (fetched for fetched in super().fetch(cursor, known) if not isinstance(fetched, Census))


class Trusting(EXAMPLE.NoticeboardSource):  # type: ignore[misc, name-defined]
    """A board that refuses us is taken for an empty one."""

    def fetch(self, cursor: Cursor | None, known: Known) -> Iterator[Fetched]:
        for fetched in super().fetch(cursor, known):
            yield Census(fetched.container, fetched.name, frozenset(), 0) if isinstance(fetched, Gap) else fetched


class Stopping(EXAMPLE.NoticeboardSource):  # type: ignore[misc, name-defined]
    """A board that refuses us ends everything."""

    def fetch(self, cursor: Cursor | None, known: Known) -> Iterator[Fetched]:
        for fetched in super().fetch(cursor, known):
            if isinstance(fetched, Gap):
                raise AccessDenied(fetched.error)
            yield fetched


class Shallow(EXAMPLE.NoticeboardSource):  # type: ignore[misc, name-defined]
    """Only the first page is read."""

    def _board(self, board: Any, edited: Any, listed: Any, known: Known) -> Iterator[Fetched]:
        for fetched in super()._board(board, edited, listed, known):
            yield fetched
            if isinstance(fetched, Checkpoint):
                return


class Open(EXAMPLE.NoticeboardSource):  # type: ignore[misc, name-defined]
    """Everybody of the source may read everything."""

    def memberships(self) -> Iterator[Membership]:
        everybody = frozenset(person.principal for person in self.people())
        return (dataclasses.replace(one, members=everybody) for one in super().memberships())


class Shut(EXAMPLE.NoticeboardSource):  # type: ignore[misc, name-defined]
    """Nobody may read anything."""

    def _record(self, board: Any, notice: Any) -> RawRecord:
        record: RawRecord = super()._record(board, notice)
        return dataclasses.replace(record, acl=Acl())


class Stale(EXAMPLE.NoticeboardSource):  # type: ignore[misc, name-defined]
    """A version that does not change with the text."""

    def _record(self, board: Any, notice: Any) -> RawRecord:
        record: RawRecord = super()._record(board, notice)
        return dataclasses.replace(record, version="1")


class Restless(EXAMPLE.NoticeboardSource):  # type: ignore[misc, name-defined]
    """Everything is stored again at every sync."""

    def _board(self, board: Any, edited: Any, listed: Any, known: Known) -> Iterator[Fetched]:
        edited.pop(board["id"], None)
        yield from super()._board(board, edited, listed, _Nothing())


class Misplacing(EXAMPLE.NoticeboardSource):  # type: ignore[misc, name-defined]
    """All boards are one."""

    def _record(self, board: Any, notice: Any) -> RawRecord:
        record: RawRecord = super()._record(board, notice)
        return dataclasses.replace(record, container=ContainerId("hall"))


class Telling(EXAMPLE.NoticeboardSource):  # type: ignore[misc, name-defined]
    """The token is stored with each notice."""

    def _record(self, board: Any, notice: Any) -> RawRecord:
        record: RawRecord = super()._record(board, notice)
        return dataclasses.replace(record, payload={**(record.payload or {}), "link": f"/n?token={TOKEN}"})


class _Nothing:
    def items(self) -> Iterator[Any]:
        return iter(())

    def in_container(self, container: ContainerId) -> list[Any]:
        return []

    def get(self, item: str) -> None:
        return None


def contract(saboteur: Any) -> ApiSourceContract:
    class World(NoticeboardWorld):
        def source(self) -> Any:
            source = super().source()
            source.__class__ = saboteur
            return source

    class Contract(ApiSourceContract):
        def world(self, rng: random.Random) -> ApiWorld:
            return World(rng)

    return Contract()


@pytest.mark.parametrize(
    "saboteur",
    [Forgetful, Hoarding, Trusting, Stopping, Shallow, Open, Shut, Stale, Restless, Misplacing],
    ids=lambda kind: kind.__name__.lower(),
)
def test_a_connector_that_is_not_true_is_found_within_a_few_histories(saboteur: Any) -> None:
    tested = contract(saboteur)
    with pytest.raises(AssertionError):
        tested.test_after_any_history_the_hub_holds_exactly_what_readers_see()


def test_a_connector_that_stores_its_token_is_found(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(AssertionError):
        contract(Telling).test_no_secret_is_stored_or_said(caplog)


def test_a_connector_that_begins_again_after_a_kill_is_found() -> None:
    class Starting(EXAMPLE.NoticeboardSource):  # type: ignore[misc, name-defined]
        """Only the end of a fetch is worth a checkpoint."""

        def fetch(self, cursor: Cursor | None, known: Known) -> Iterator[Fetched]:
            fetched = super().fetch(cursor, known)
            return (one for one in fetched if not isinstance(one, Checkpoint) or one.last)

    with pytest.raises(AssertionError, match="pages asked again"):
        contract(Starting).kill(12)
