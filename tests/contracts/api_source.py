"""What every source behind an API must do, against a simulated vendor, through the real pipeline and ledger.

A test class inherits `ApiSourceContract` and says how to build its world:

    class TestTracker(ApiSourceContract):
        def world(self, rng: random.Random) -> ApiWorld: ...

A world is a simulated vendor with people in it. All text that people write holds marks (`world.marks.fresh()`), so that
after each sync it can be said of every document whether all of it is there, once, and nothing that is gone.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import random
import re
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import pytest
import zstandard

from knowhub.core.errors import KnowhubError
from knowhub.core.ports import Directory, Known, Source
from knowhub.core.types import (
    ANYONE,
    Acl,
    ContainerId,
    Cursor,
    Document,
    DocumentId,
    Fetched,
    ItemId,
    ObjectKey,
    Principal,
    RawRecord,
    SourceName,
    Viewer,
    document_id,
)
from knowhub.pipelines.sync import Syncing, SyncReport
from tests.doubles.hub import Hub, Note, by_paragraph
from tests.servers.kit import Asked, Killed, SimulatedApi, VirtualClock

_MARK = re.compile(r"mark\d+x")


class Marks:
    """Words that nothing else contains."""

    def __init__(self) -> None:
        self._made = 0

    def fresh(self) -> str:
        self._made += 1
        return f"mark{self._made}x"


@dataclass(frozen=True, slots=True)
class Seen:
    """What a reader finds of one item: each of `words` once in its text, each of `also` at least once in text or title.

    `readers` are the persons who may read it; `ANYONE` among them: everybody.
    """

    container: ContainerId
    words: frozenset[str]
    readers: frozenset[Principal]
    also: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Truth:
    """What the vendor would show. Containers in `unreachable` exist and refuse our token: gaps, and nothing deleted."""

    items: Mapping[ItemId, Seen]
    people: frozenset[Principal]
    unreachable: frozenset[ContainerId] = frozenset()


class ApiSource(Source, Directory, Protocol):
    """A source with permissions of its own."""


class ApiWorld(Protocol):
    @property
    def clock(self) -> VirtualClock: ...

    @property
    def server(self) -> SimulatedApi: ...

    @property
    def name(self) -> SourceName: ...

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every credential that the source was given."""
        ...

    def source(self) -> ApiSource:
        """A new object each time, as in a new process."""
        ...

    def parse(self, record: RawRecord, sequence: int) -> Document: ...

    def change(self, rng: random.Random) -> None:
        """One random thing that people do: create, edit, reply late, delete, move, restrict, rename, archive."""
        ...

    def truth(self) -> Truth: ...

    def settle(self) -> None:
        """Let so much time pass that all lag is over and every schedule of the source is due."""
        ...

    def page_of(self, asked: Asked) -> str | None:
        """The container whose items this request lists, None for everything else (single items, people, containers)."""
        ...

    def idle_requests(self) -> int:
        """What a sync may ask when nothing has changed and no schedule is due."""
        ...


class _Overheard:
    """A source, and everything that it yields as text."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.name = source.name
        self.said: list[str] = []

    def check(self) -> list[str]:
        return self._source.check()

    def fetch(self, cursor: Cursor | None, known: Known) -> Iterator[Fetched]:
        for fetched in self._source.fetch(cursor, known):
            self.said.append(repr(fetched))
            yield fetched


class ApiHub(Hub):
    """A hub whose one source is the world's."""

    def __init__(self, folder: Path, world: ApiWorld) -> None:
        super().__init__(folder, {"unused": Note("")})
        self.api = world
        self.said: list[str] = []

    def parts(self) -> Syncing:
        source = _Overheard(self.api.source())
        self.said = source.said
        return dataclasses.replace(
            super().parts(), source=source, parse=self.api.parse, chunking=by_paragraph, acl=Acl(),
            clock=self.api.clock,
        )  # fmt: skip

    def documents(self) -> dict[DocumentId, Document]:
        return {id: entry.chunked.document for id, entry in self.index.entries.items() if entry.chunked.document}

    def calm_sync(self) -> SyncReport:
        return self.sync(confirm_deletes=True)

    def stored_bytes(self) -> Iterator[bytes]:
        """Everything that lies on disk, decompressed."""
        for key in self.lake.list(""):
            data = self.lake.get(ObjectKey(key))
            yield key.encode()
            yield data
            if data.startswith(zstandard.FRAME_HEADER):
                yield zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True).read()
        for file in self.folder.glob("ledger.db*"):
            yield file.read_bytes()


def holders(directory: Directory) -> Mapping[Principal, frozenset[Principal]]:
    """Person ▸ all principals they hold, memberships of memberships included. `ANYONE` stands for a stranger."""
    memberships = list(directory.memberships())
    people = {person.principal for person in directory.people()}
    held: dict[Principal, frozenset[Principal]] = {}
    for person in people | {ANYONE}:
        has, before = {person, ANYONE}, 0
        while len(has) != before:
            before = len(has)
            has |= {membership.principal for membership in memberships if membership.members & has}
        held[person] = frozenset(has)
    return held


def assert_exact(hub: ApiHub, report: SyncReport) -> None:
    """The hub holds exactly what readers of the source see, each reader for themselves, and the ledger agrees."""
    truth = hub.api.truth()
    expected = {document_id(hub.api.name, item): seen for item, seen in truth.items.items()}
    reachable = {id: seen for id, seen in expected.items() if seen.container not in truth.unreachable}
    held = {id: doc for id, doc in hub.documents().items() if doc.container not in truth.unreachable}
    assert held.keys() == reachable.keys()
    principals = holders(hub.api.source())
    for id, document in held.items():
        assert_document(document, reachable[id])
        readers = {person for person in truth.people if _admits(document, principals, person)}
        seen = reachable[id].readers
        wanted = set(truth.people) if ANYONE in seen else set(seen)
        assert readers == wanted, f"{id} may be read by {sorted(readers)}, not {sorted(wanted)}"
        assert _admits(document, principals, ANYONE) == (ANYONE in seen), id
    assert_accounted(hub, truth, report)


def _admits(document: Document, principals: Mapping[Principal, frozenset[Principal]], person: Principal) -> bool:
    return document.acl.admits(Viewer(person, principals.get(person, frozenset({person, ANYONE}))))


def assert_document(document: Document, seen: Seen) -> None:
    found = Counter(_MARK.findall(document.text))
    anywhere = set(found) | set(_MARK.findall(document.title))
    assert document.container == seen.container, document.id
    assert {word: found[word] for word in seen.words} == dict.fromkeys(seen.words, 1), document.id
    assert anywhere - seen.words == seen.also, document.id
    for section in document.sections:
        assert 0 <= section.start <= section.end <= len(document.text), document.id


def assert_accounted(hub: ApiHub, truth: Truth, report: SyncReport) -> None:
    rows = {row.container: row for row in hub.ledgers.reports.coverage(hub.api.name)}
    for container in truth.unreachable & rows.keys():
        assert rows[container].gap, f"{container} refuses and no gap is open"
    for row in rows.values():
        if row.container not in truth.unreachable:
            assert row.whole, row
            assert row.expected is not None, row
    assert {seen.container for seen in truth.items.values()} <= rows.keys()
    assert report.state == ("incomplete" if truth.unreachable & rows.keys() else "ok"), report


@dataclass
class ApiHistory:
    """One random life of a source: people's changes, syncs in bad weather, kills, and calm ones that must be exact."""

    world: ApiWorld
    folder: Path
    rng: random.Random
    exact: int = 0
    hub: ApiHub = field(init=False)

    def live(self, steps: int) -> None:
        self.hub = ApiHub(self.folder, self.world)
        while steps > 0:
            for _ in range(self.rng.randrange(5)):
                self.world.change(self.rng)
                self.world.clock.advance(seconds=self.rng.choice([1, 40, 700, 9000]))
                steps -= 1
            self.rng.choice([self._storm, self._kill, self._calm])()
            steps -= 1

    def _calm(self) -> None:
        self.world.settle()
        assert_exact(self.hub, self.hub.calm_sync())
        self.exact += 1
        again = self.hub.calm_sync()
        assert (again.fetched.changed, again.fetched.deleted) == (0, 0), "nothing has changed"
        assert_exact(self.hub, again)

    def _storm(self) -> None:
        """The network is bad and people go on writing: whatever happens, the next calm sync is exact."""
        server = self.world.server
        server.weather.rng, server.weather.chance = random.Random(self.rng.random()), 0.15
        server.disturb = lambda: self.world.change(self.rng) if self.rng.random() < 0.1 else None
        try:
            self.hub.calm_sync()
        finally:
            server.weather.chance = 0.0
            server.disturb = lambda: None
        self._calm()

    def _kill(self) -> None:
        server = self.world.server
        server.kill_after = len(server.log) + self.rng.randrange(1, 30)
        try:
            self.hub.sync()
        except Killed:
            pass
        finally:
            server.revive()
        self._calm()


class ApiSourceContract:
    """Inherit, and give a world. `histories` and `kills` are what an ordinary test run tries; `make torture` more."""

    histories = 6
    kills = 4
    steps = 30

    def world(self, rng: random.Random) -> ApiWorld:
        """A new vendor with some people, containers and items, different for each seed, options of the source too."""
        raise NotImplementedError

    def test_after_any_history_the_hub_holds_exactly_what_readers_see(self) -> None:
        for seed in range(self.histories):
            self.live(seed)

    @pytest.mark.torture
    def test_after_two_hundred_histories_the_hub_holds_exactly_what_readers_see(self) -> None:
        for seed in range(1000, 1200):
            self.live(seed)

    def test_a_first_sync_that_is_killed_goes_on_where_it_was(self) -> None:
        self.kill(self.kills)

    @pytest.mark.torture
    def test_a_first_sync_that_is_killed_fifty_times_goes_on_where_it_was(self) -> None:
        self.kill(50)

    def test_no_secret_is_stored_or_said(self, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.DEBUG), tempfile.TemporaryDirectory() as folder:
            world = self.world(random.Random(3))
            with world.server:
                history = ApiHistory(world, Path(folder), random.Random(3))
                history.live(12)
                self._assert_silent(history.hub, caplog.text)

    def test_an_unchanged_source_costs_few_requests(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            world = self.world(random.Random(5))
            with world.server:
                hub = ApiHub(Path(folder), world)
                world.settle()
                hub.calm_sync()
                world.clock.advance(minutes=2)
                hub.calm_sync()
                before = len(world.server.log)
                world.clock.advance(minutes=2)
                hub.calm_sync()
                asked = world.server.log[before:]
                assert len(asked) <= world.idle_requests(), [f"{one.method} {one.path}" for one in asked]

    # ── the parts ────────────────────────────────────────────────────────────────────────────────────

    def live(self, seed: int) -> None:
        with tempfile.TemporaryDirectory() as folder:
            world = self.world(random.Random(seed))
            with world.server:
                history = ApiHistory(world, Path(folder), random.Random(f"history {seed}"))
                try:
                    history.live(self.steps)
                except BaseException as error:
                    error.add_note(f"in the history of seed {seed}: self.live({seed}) repeats it")
                    raise

    def kill(self, times: int) -> None:
        requests, whole = self._first_sync(None)
        for at in sorted({1 + round(n * (requests - 2) / times) for n in range(times)}):
            _, pages = self._first_sync(at)
            repeated = {container: pages[container] - whole[container] for container in pages}
            assert max(repeated.values(), default=0) <= 1, f"killed at request {at}: pages asked again {repeated}"

    def _first_sync(self, killed_at: int | None) -> tuple[int, Counter[str]]:
        """How many requests, and pages of each container, it took until everything was there."""
        with tempfile.TemporaryDirectory() as folder:
            world = self.world(random.Random(11))
            with world.server:
                hub = ApiHub(Path(folder), world)
                world.settle()
                if killed_at is not None:
                    world.server.kill_after = killed_at
                    with pytest.raises(Killed):
                        hub.sync()
                    world.server.revive()
                report = hub.calm_sync()
                log = list(world.server.log)
                assert_exact(hub, report)
            return len(log), Counter(filter(None, map(world.page_of, log)))

    def _assert_silent(self, hub: ApiHub, logged: str) -> None:
        said = [logged, *hub.said]
        try:
            said += hub.api.source().check()
        except KnowhubError as error:
            said.append(str(error))
        for secret in hub.api.secrets:
            forms = {secret, json.dumps(secret)[1:-1]}
            assert not [text for text in said for form in forms if form in text]
            assert not [data for data in hub.stored_bytes() for form in forms if form.encode() in data]
