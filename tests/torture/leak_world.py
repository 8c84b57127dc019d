"""A company that changes at random, the hub that reads it, and who may read what by a second reckoning.

Every title, text, author, address, id and name of anything carries a marker that stands nowhere else, so that whatever
shows a marker has shown that thing. `Company` reckons with sets and loops what a person may read; it shares no code
with the hub.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from knowhub.core.errors import TransientError
from knowhub.core.ports import Embedder, Known
from knowhub.core.types import (
    Acl,
    Census,
    Checkpoint,
    ContainerId,
    Cursor,
    Document,
    Fetched,
    ItemId,
    Membership,
    ModelId,
    Person,
    Principal,
    RawRecord,
    Section,
    SourceName,
    Unchanged,
    document_id,
)
from knowhub.wiring.app import App
from knowhub.wiring.catalog import Connected
from knowhub.wiring.laptop import Laptop
from knowhub.wiring.settings import load

MARKER = re.compile(r"mk\d{6}x")
MAX_AGE = timedelta(hours=24)
SUBJECTS = ("travel budget", "release plan", "vault number", "office rent", "parental leave", "server price")
TEAMS = ("sales", "platform", "design", "finance")
SHARED_NAMES = ("general", "random", "c1")
Content = dict[str, Any]
Layers = tuple[frozenset[str], ...]


@dataclass(frozen=True)
class Version:
    """What a document is at one time. Everything that could be shown of it is in `content`."""

    container: str
    layers: Layers
    content: str

    @cached_property
    def markers(self) -> frozenset[str]:
        return frozenset(MARKER.findall(self.content))

    @property
    def number(self) -> str:
        said = repr((self.container, sorted(map(sorted, self.layers)), self.content))
        return hashlib.sha256(said.encode()).hexdigest()

    def admits(self, held: frozenset[str]) -> bool:
        return bool(self.layers) and all(any(one in held for one in layer) for layer in self.layers)


@dataclass
class Place:
    """A source: what is there now, what the hub has fetched of it, and what its index has."""

    name: str
    containers: dict[str, str]
    unlisted: frozenset[str]
    now: dict[str, Version] = field(default_factory=dict)
    fetched: dict[str, Version] = field(default_factory=dict)
    indexed: dict[str, Version] = field(default_factory=dict)
    people: dict[str, str] = field(default_factory=dict)
    members: dict[str, frozenset[str]] = field(default_factory=dict)
    read_members: dict[str, frozenset[str]] = field(default_factory=dict)
    read_people: dict[str, str] = field(default_factory=dict)
    read_at: datetime | None = None
    away: bool = False

    @property
    def id(self) -> SourceName:
        return SourceName(self.name)


@dataclass(frozen=True)
class Caller:
    """Somebody with a way in. `given` are principals held without an address."""

    way: Literal["key", "cookie", "public", "owner"]
    email: str = ""
    groups: tuple[str, ...] = ()
    given: tuple[str, ...] = ()


class World:
    """Implements `Source` and `Directory` over a place."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.name = place.id

    def check(self) -> list[str]:
        return []

    def fetch(self, cursor: Cursor | None, known: Known) -> Iterator[Fetched]:
        place = self.place
        for item, version in sorted(place.now.items()):
            found = known.get(ItemId(item))
            container = ContainerId(version.container)
            if found and found.version == version.number:
                yield Unchanged(container, ItemId(item), version.number)
                continue
            content = json.loads(version.content)
            acl = Acl(tuple(frozenset(map(Principal, layer)) for layer in version.layers))
            payload = {**content, "container": version.container}
            yield RawRecord(
                self.name, container, ItemId(item), "page", version.number, acl, payload, content["location"]
            )
        for one in known.items():
            if one.container in place.unlisted and one.item not in place.now:
                yield RawRecord(self.name, one.container, one.item, "page", "gone", Acl(), None)
        for container_id, name in place.containers.items():
            items = frozenset(ItemId(item) for item, one in place.now.items() if one.container == container_id)
            if container_id not in place.unlisted:
                yield Census(ContainerId(container_id), name, items, len(items))
        yield Checkpoint({"seen": len(place.now)}, last=True)

    def people(self) -> Iterator[Person]:
        if self.place.away:
            raise TransientError("the directory is away")
        return (Person(Principal(one), f"name {one}", email) for one, email in self.place.people.items())

    def memberships(self) -> Iterator[Membership]:
        return (Membership(Principal(one), frozenset(map(Principal, of))) for one, of in self.place.members.items())


def parse(record: RawRecord, sequence: int) -> Document:
    content: Content = dict(record.payload or {})
    text, author, at = content["text"], content["author"], datetime.fromisoformat(content["at"])
    half = text.index("\n\n") + 2
    sections = (
        Section(0, half, "message", f"#{content['anchor']}1", content["label"], author, at),
        Section(half, len(text), "message", f"#{content['anchor']}2", content["label"], author, at),
    )
    return Document(
        document_id(record.source, record.item), record.source, record.container, content["kind"], content["title"],
        text, content["url"], record.acl, record.version, sequence, authors=(author,), created_at=at, updated_at=at,
        language="en", location=record.location, state=content["state"],
        sections=sections if content["kind"] == "conversation" else (),
    )  # fmt: skip


class Words:
    """Implements `Embedder`: a text is the sum of its words' directions, each from the word's own hash."""

    model = ModelId("hashed words")
    dimensions = 64

    def __init__(self) -> None:
        self._known: dict[str, NDArray[np.float32]] = {}

    def embed(self, texts: Sequence[str], *, purpose: Literal["document", "query"]) -> NDArray[np.float32]:
        rows = np.stack([sum(map(self._word, re.findall(r"\w+", text.lower()) or [""])) for text in texts])
        return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6), np.float32)

    def _word(self, word: str) -> NDArray[np.float32]:
        if word not in self._known:
            digest = hashlib.sha512(word.encode("utf-8", "replace")).digest()
            self._known[word] = np.frombuffer(digest, np.uint8).astype(np.float32) - 127.5
        return self._known[word]


class CompanyLaptop(Laptop):
    """The real adapters, but for the sources and the model."""

    places: dict[str, Place]

    def connect(self, name: SourceName) -> Connected:
        return Connected(World(self.places[name]), parse, Acl())

    @cached_property
    def query_embedder(self) -> Embedder:
        return Words()


class Company:
    """Places, people, and a clock. `random` decides all that happens."""

    def __init__(self, random: Random, *, documents: int) -> None:
        self.random = random
        self.now = datetime(2026, 5, 1, 12, tzinfo=UTC)
        self._made = 0
        self.emails = [f"{self.marker()}@x.example" for _ in range(5)]
        self.groups = [f"g{self.marker()}" for _ in range(3)]
        self.places = {place.name: place for place in (self._place() for _ in range(4))}
        self.distrusted = random.choice(sorted(self.places))
        self.mapped = {random.choice(self.emails): (random.choice(self._principals(self._any())),)}
        self.callers = self._callers()
        for _ in range(documents):
            self.write()

    def marker(self) -> str:
        self._made += 1
        return f"mk{self._made:06d}x"

    def _any(self) -> Place:
        return self.random.choice(list(self.places.values()))

    # ── what there is ────────────────────────────────────────────────────────────────────────────────

    def _place(self) -> Place:
        name = f"s-{self.marker()}"
        containers = {f"c{self.marker()}": self._container_name() for _ in range(2)}
        containers[self.random.choice(SHARED_NAMES)] = self._container_name()
        unlisted = frozenset(one for one in containers if self.random.random() < 0.2)
        place = Place(name, containers, unlisted)
        for _ in range(5):
            place.people[f"{name}:user:{self.marker()}"] = self.random.choice([*self.emails, ""])
        for kind in ("channel", "channel", "group", "group", "role"):
            place.members[f"{name}:{kind}:{self.marker()}"] = frozenset()
        for principal in place.members:
            place.members[principal] = self._members(place)
        return place

    def _container_name(self) -> str:
        return self.random.choice([f"room {self.marker()}", f"room {self.marker()}", self.random.choice(SHARED_NAMES)])

    def _members(self, place: Place) -> frozenset[str]:
        """Now and then of somebody else's, which must grant nothing."""
        own = [*place.people, *place.members]
        chosen = set(self.random.sample(own, self.random.randint(0, 3)))
        if self.random.random() < 0.05:
            chosen.add("anyone")
        if self.random.random() < 0.2:
            chosen.add(self.random.choice([f"user:{self.emails[0]}", "owner", f"group:{self.groups[0]}"]))
        return frozenset(chosen)

    def _principals(self, place: Place) -> list[str]:
        theirs = [*place.people, *place.members] * 3
        return [*theirs, *(f"user:{email}" for email in self.emails), *(f"group:{one}" for one in self.groups)]

    def layers(self, place: Place) -> Layers:
        if self.random.random() < 0.04:
            return self.random.choice([(), (frozenset(),)])
        if self.random.random() < 0.08:
            return (frozenset(("anyone",)),)
        pool = self._principals(place)
        count = self.random.choice((1, 1, 1, 2, 3))
        return tuple(frozenset(self.random.sample(pool, self.random.randint(2, 9))) for _ in range(count))

    def _callers(self) -> list[Caller]:
        pick = self.random.choice
        found = [Caller("public"), Caller("owner", given=("owner", pick(self._principals(self._any()))))]
        found += [Caller("key", email=email) for email in self.emails[:4]]
        found += [Caller("key", given=tuple(self.random.sample(self._principals(self._any()), 2))) for _ in range(3)]
        # The same person by another way in, and with other groups.
        for groups in ((self.groups[0],), tuple(self.groups[1:]), ()):
            found.append(Caller("cookie", email=self.emails[0], groups=groups))
        found.append(Caller("cookie", email=self.emails[4], groups=(pick(self.groups),)))
        return found

    # ── what happens there ───────────────────────────────────────────────────────────────────────────

    def content(self, place: Place) -> Content:
        subject, team, mark = self.random.choice(SUBJECTS), self.random.choice(TEAMS), self.marker
        amount = self.random.randint(10, 9999)
        said = f"The {subject} of the {team} team is {amount} {mark()}. It was agreed by {team} {mark()}."
        if self.random.random() < 0.4 and (others := [one for p in self.places.values() for one in p.now.values()]):
            said = json.loads(self.random.choice(others).content)["text"].split("\n\n")[0]
        at = self.now - timedelta(days=self.random.randint(0, 400))
        return {
            "title": f"The {subject} {mark()}",
            "text": f"{said}\n\nMore about the {self.random.choice(SUBJECTS)} of {team} is in {mark()}.",
            "author": self.random.choice([f"Ana {mark()}", f"Ben {mark()}", "Ana"]),
            "url": f"https://x.example/{mark()}",
            "anchor": mark(),
            "label": f"label {mark()}",
            "location": f"{mark()}.md",
            "state": f"open {mark()}",
            "kind": self.random.choice(("text", "markdown", "conversation")),
            "at": at.isoformat(),
        }  # fmt: skip

    def write(self) -> None:
        place = self._any()
        container = self.random.choice(list(place.containers))
        item = f"i{self.marker()}"
        place.now[item] = Version(container, self.layers(place), json.dumps(self.content(place)))

    def change(self) -> Place | None:
        """One thing at one source; None where nothing could be."""
        place = self._any()
        if not place.now:
            return None
        item = self.random.choice(sorted(place.now))
        before = place.now[item]
        match self.random.choice(("edit", "title", "move", "close", "close", "open", "delete", "new")):
            case "edit":
                place.now[item] = replace(before, content=json.dumps(self.content(place)))
            case "title":
                content = {**json.loads(before.content), "title": f"Retitled {self.marker()}"}
                place.now[item] = replace(before, content=json.dumps(content))
            case "move":
                place.now[item] = replace(before, container=self.random.choice(list(place.containers)))
            case "close":
                content = {**json.loads(before.content), "title": f"Closed {self.marker()}"}
                layers = (*before.layers, frozenset((self.random.choice(self._principals(place)),)))
                place.now[item] = replace(before, layers=layers, content=json.dumps(content))
            case "open":
                place.now[item] = replace(before, layers=self.layers(place), content=json.dumps(self.content(place)))
            case "delete":
                del place.now[item]
            case "new":
                self.write()
        return place

    def change_members(self) -> Place:
        place = self._any()
        principal = self.random.choice(sorted(place.members))
        place.members[principal] = self._members(place)
        if self.random.random() < 0.3:
            account = self.random.choice(sorted(place.people))
            place.people[account] = self.random.choice([*self.emails, ""])
        return place

    # ── who may read what, reckoned apart ────────────────────────────────────────────────────────────

    def was_fetched(self, place: Place, *, whole: bool) -> None:
        place.fetched = dict(place.now)
        if whole:
            place.indexed = dict(place.now)

    def was_read(self, place: Place) -> None:
        own = f"{place.name}:"
        place.read_people = dict(place.people)
        place.read_members = {
            principal: frozenset(one for one in of if one == "anyone" or one.startswith(own))
            for principal, of in place.members.items()
        }
        place.read_at = self.now

    def held(self, caller: Caller, *, groups: bool = True) -> frozenset[str]:
        fresh = [one for one in self.places.values() if one.read_at and self.now - one.read_at <= MAX_AGE]
        held = {"anyone", *caller.given}
        if caller.email:
            held |= {f"user:{caller.email}", *self.mapped.get(caller.email, ())}
            held |= {
                account
                for place in fresh
                for account, email in place.read_people.items()
                if email == caller.email and place.name != self.distrusted
            }
        held |= {f"group:{one}" for one in caller.groups if groups}
        while True:
            more = {p for place in fresh for p, of in place.read_members.items() if of & held} - held
            if not more:
                return frozenset(held)
            held |= more

    def readable(self, held: frozenset[str]) -> dict[str, tuple[Place, Version, Version]]:
        """Document id to its version in the index and the newest that the hub knows, which must both admit."""
        return {
            f"{place.name}:{item}": (place, version, place.fetched[item])
            for place in self.places.values()
            for item, version in place.indexed.items()
            if item in place.fetched and version.admits(held) and place.fetched[item].admits(held)
        }

    def allowed(self, held: frozenset[str]) -> set[str]:
        """Markers that may be shown."""
        found: set[str] = set()
        for id, (place, *versions) in self.readable(held).items():
            found.update(MARKER.findall(id))
            for version in versions:
                found |= version.markers
                found.update(MARKER.findall(f"{version.container} {place.containers[version.container]}"))
        return found | {
            marker
            for place in self.places.values()
            for marker in MARKER.findall(place.name)
            # How many there are of a source is known from the index, which closes a document with the next sync.
            if any(version.admits(held) for version in place.indexed.values())
        }

    def stored(self, document: str, held: frozenset[str]) -> set[str]:
        """Markers of a document that is fetched, though not searchable yet, if its readers may see it."""
        name, _, item = document.partition(":")
        version = self.places[name].fetched.get(item)
        if version is None or not version.admits(held):
            return set()
        container = f"{version.container} {self.places[name].containers[version.container]}"
        return {*version.markers, *MARKER.findall(f"{document} {container}")}

    @property
    def settled(self) -> bool:
        """The index has what there is."""
        return all(place.indexed == place.fetched for place in self.places.values())

    def counts(self, held: frozenset[str]) -> dict[str, int]:
        return {
            place.name: count
            for place in self.places.values()
            if (count := sum(version.admits(held) for version in place.indexed.values()))
        }

    def without_hidden(self, held: frozenset[str]) -> dict[str, Place]:
        """The same places with nothing in them but what may be read, as if the rest had never been."""
        ids = self.readable(held)
        made = {}
        for name, place in self.places.items():
            kept = {item: version for item, version in place.indexed.items() if f"{name}:{item}" in ids}
            containers = {version.container for version in kept.values()}
            listed = {id: named for id, named in place.containers.items() if id in containers}
            made[name] = replace(place, containers=listed, now=kept, fetched={}, indexed={})
        return made

    # ── the hub ──────────────────────────────────────────────────────────────────────────────────────

    def open(self, folder: Path, places: dict[str, Place]) -> tuple[App, CompanyLaptop]:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "knowhub.toml").write_text(self._settings())
        adapters = CompanyLaptop(load(folder / "knowhub.toml"), clock=lambda: self.now)
        adapters.places = places
        return App(adapters), adapters

    def _settings(self) -> str:
        owner = next(one for one in self.callers if one.way == "owner")
        tables = "".join(f'[sources.{name}]\ntype = "imported"\n' for name in self.places)
        people = "".join(f"{json.dumps(one)} = {json.dumps(held)}\n" for one, held in self.mapped.items())
        return (
            f'[oidc]\nissuer = "https://id.example"\nclient_id = "hub"\n[lake]\nurl = "memory:"\n'
            f"[access]\npublic = true\nme = {json.dumps(owner.given)}\n"
            f"distrust_emails = {json.dumps([self.distrusted])}\n"
            f"[access.people]\n{people}[server]\nrequests_per_minute = 100000000\n"
            f"[sync]\ndelete_share = 1.0\n{tables}"
        )


def sync(company: Company, app: App, place: Place, *, whole: bool) -> None:
    stages = ("fetch", "chunk", "embed") if whole else ("fetch",)
    for report in app.sync([place.name], stages=stages):
        assert not report.error, report
    company.was_fetched(place, whole=whole)


def read_directory(company: Company, app: App, place: Place) -> None:
    (report,) = app.read_directories([place.name])
    assert bool(report.error) == place.away
    if not place.away:
        company.was_read(place)


def copy_directory(adapters: CompanyLaptop, place: Place) -> None:
    """What the hub has read of it, as old as it is."""
    if place.read_at is None:
        return
    people = [Person(Principal(one), "somebody", email) for one, email in place.read_people.items()]
    members = [Membership(Principal(one), frozenset(map(Principal, of))) for one, of in place.read_members.items()]
    adapters.directories.replace(place.id, people, members, place.read_at)
