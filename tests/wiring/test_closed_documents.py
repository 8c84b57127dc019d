"""What is closed at its source and not yet in the index, and what others keep elsewhere: neither shows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from knowhub.core.errors import NotFound
from knowhub.core.types import ContainerId, Filters
from knowhub.wiring.app import App
from tests.torture.leak_world import Company, Place, Version, sync

ANYONE, NOBODY = (frozenset(("anyone",)),), (frozenset(("nobody",)),)
TEXT = "The travel budget of the sales team is 4200 euros a year.\n\nIt was agreed in May by all of them."


class Small:
    """A hub with two sources and nothing in them."""

    def __init__(self, folder: Path) -> None:
        self.company = Company(Random(1), documents=0)
        self.here, self.there = list(self.company.places.values())[:2]
        self.app, _ = self.company.open(folder, self.company.places)

    def write(self, place: Place, item: str, *, container: str, layers: tuple[frozenset[str], ...] = ANYONE) -> None:
        content = {**self.company.content(place), "title": "Budget", "text": TEXT, "kind": "text"}
        place.containers.setdefault(container, container)
        place.now[item] = Version(container, layers, json.dumps(content))

    def close(self, item: str) -> None:
        """Fetched, and no further."""
        self.here.now[item] = replace(self.here.now[item], layers=NOBODY)
        sync(self.company, self.app, self.here, whole=False)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Small]:
    small = Small(tmp_path)
    with small.app:
        yield small


def found(app: App, filters: Filters | None = None) -> list[str]:
    return [hit.chunk.document for hit in app.search("travel budget", viewer=app.me(["anyone"]), filters=filters)]


def test_a_copy_that_was_closed_is_not_named_as_a_duplicate(small: Small) -> None:
    for item in ("a", "b"):
        small.write(small.here, item, container="room")
    sync(small.company, small.app, small.here, whole=True)
    (hit,) = small.app.search("travel budget", viewer=small.app.me(["anyone"]))
    (copy,) = hit.duplicates
    small.close(copy.partition(":")[2])
    (hit,) = small.app.search("travel budget", viewer=small.app.me(["anyone"]))
    assert hit.duplicates == ()


def test_what_was_closed_is_not_exported_either(small: Small) -> None:
    for item in ("a", "b"):
        small.write(small.here, item, container="room")
    sync(small.company, small.app, small.here, whole=True)
    small.close("b")
    exported = small.app.documents([small.here.name], viewer=small.app.me(["anyone"]))
    assert [one.id for one in exported] == [f"{small.here.name}:a"]


def test_a_hidden_container_of_the_same_name_changes_nothing(small: Small) -> None:
    filters = Filters(containers=(ContainerId("lobby"),))
    small.here.unlisted = frozenset(("lobby",))
    small.write(small.here, "a", container="lobby")
    sync(small.company, small.app, small.here, whole=True)
    before = found(small.app, filters)
    small.write(small.there, "secret", container="c7", layers=NOBODY)
    small.there.containers["c7"], small.there.unlisted = "lobby", frozenset()
    sync(small.company, small.app, small.there, whole=True)
    assert before == found(small.app, filters) == [f"{small.here.name}:a"]


def test_the_name_of_a_hidden_container_finds_nothing_in_one_of_the_same_id_elsewhere(small: Small) -> None:
    small.here.unlisted = small.there.unlisted = frozenset()
    small.write(small.here, "a", container="room")
    sync(small.company, small.app, small.here, whole=True)
    small.write(small.there, "secret", container="room", layers=NOBODY)
    small.there.containers["room"] = "takeover"
    sync(small.company, small.app, small.there, whole=True)
    assert found(small.app, Filters(containers=(ContainerId("takeover"),))) == []
    assert found(small.app, Filters(containers=(ContainerId("room"),))) == [f"{small.here.name}:a"]


def test_the_title_of_a_closed_version_is_not_shown_while_an_open_one_is_on_its_way(small: Small) -> None:
    small.write(small.here, "a", container="room")
    sync(small.company, small.app, small.here, whole=True)
    content = {**json.loads(small.here.now["a"].content), "title": "Takeover of Acme"}
    small.here.now["a"] = Version("room", NOBODY, json.dumps(content))
    sync(small.company, small.app, small.here, whole=True)
    small.write(small.here, "a", container="room")
    id, ana = f"{small.here.name}:a", small.app.me(["anyone"])
    for stages, title in ((["fetch"], ""), (["chunk"], "Budget")):
        list(small.app.sync([small.here.name], stages=stages))
        assert small.app.find(id).title == "Takeover of Acme"
        assert small.app.show(id, viewer=ana).item.title == title
        with pytest.raises(NotFound):
            small.app.find("Takeover of Acme", viewer=ana)
