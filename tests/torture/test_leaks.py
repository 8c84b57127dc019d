"""Nobody learns of what they may not read: not by any surface, in any field, whatever changes in between.

Two properties over random companies. Whatever the hub says holds no marker of a document that the caller may not
read now, by a reckoning of the test's own. And once the index has what there is, a hub in which the hidden documents
never were gives the same answers, but for ids of answers and times.
"""

from __future__ import annotations

import asyncio
import json
import logging
import multiprocessing
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import zip_longest
from pathlib import Path
from random import Random

import pytest

from tests.torture.leak_surfaces import ADMIN, SURFACES, WEIGHTS, Probe, Site, masked
from tests.torture.leak_world import (
    MARKER,
    SHARED_NAMES,
    SUBJECTS,
    TEAMS,
    Caller,
    Company,
    copy_directory,
    read_directory,
    sync,
)

PAIRS = 100_000
SMALL = 7
COMPANIES = 20
"""The more pairs a company, the less of the time goes into building it."""


@dataclass
class Tally:
    """How often each surface was met, and how often it showed something that was allowed."""

    met: Counter[str] = field(default_factory=Counter)
    showed: Counter[str] = field(default_factory=Counter)
    compared: Counter[str] = field(default_factory=Counter)
    changes: Counter[str] = field(default_factory=Counter)
    found: int = 0

    def add(self, other: Tally) -> None:
        for mine, theirs in zip(
            (self.met, self.showed, self.compared, self.changes),
            (other.met, other.showed, other.compared, other.changes),
            strict=True,
        ):
            mine.update(theirs)
        self.found += other.found


class Attack:
    """Asks one company's hub, and changes the company in between."""

    def __init__(self, folder: Path, seed: int, *, documents: int) -> None:
        self.folder = folder
        self.random = Random(seed)
        self.company = Company(Random(seed + 1), documents=documents)
        self.tally = Tally()
        self._answers: dict[str, str] = {}
        self._asked: list[Probe] = []
        self._twins = 0

    async def run(self, pairs: int, *, changes: int, twins: int, compared: int) -> Tally:
        app, adapters = self.company.open(self.folder / "hub", self.company.places)
        with app:
            for place in self.company.places.values():
                read_directory(self.company, app, place)
                sync(self.company, app, place, whole=True)
            site = Site(self.company, app, adapters)
            async with site.open():
                for step in range(changes):
                    for _ in range(pairs // changes):
                        await self._ask(site)
                    self._change(site)
                    if twins and step % (changes // twins) == changes // twins - 1:
                        await self._compare(site, compared)
        return self.tally

    # ── asking ───────────────────────────────────────────────────────────────────────────────────────

    async def _ask(self, site: Site) -> None:
        caller, probe = self._caller(), self._probe()
        if probe.surface in ("rest.sources", "rest.admin") and caller.way == "owner":
            return  # an administrator, who sees what there is
        text = await site.reply(caller, probe)
        self._note(caller, probe, text)
        self.tally.met[probe.surface] += 1
        held = self.company.held(caller, groups=not probe.surface.startswith("cli."))
        allowed = self.company.allowed(held) | set(MARKER.findall(caller.email))
        if probe.surface == "cli.show":
            allowed |= self.company.stored(probe.document, held)
        shown = set(MARKER.findall(text)) - set(MARKER.findall(probe.said))
        assert shown <= allowed, f"{caller} {probe} was shown {shown - allowed}: {text}"
        self.tally.showed[probe.surface] += bool(shown & allowed)
        self.tally.found += '"found": true' in text or '"found":true' in text
        self._check_exactly(site, caller, probe, held, text)

    def _check_exactly(self, site: Site, caller: Caller, probe: Probe, held: frozenset[str], text: str) -> None:
        if probe.surface in ("rest.documents", "app.document"):
            readable = probe.document in self.company.readable(held)
            told = text.startswith("200") if probe.surface == "rest.documents" else "error" not in json.loads(text)
            assert told == readable, f"{caller} {probe}: {text}"
        if probe.surface == "rest.sources" and self.company.settled:
            told = json.loads(text.split("\n\n", 1)[1])["sources"]
            assert told == self.company.counts(held), f"{caller} {probe}: {text}"
        if probe.surface == "rest.feedback":
            own = self._answers.get(probe.answer) == (caller.email or str(caller))
            assert text.startswith("204" if own else "404"), f"{caller} {probe}: {text}"
        if probe.surface == "rest.admin":
            assert text.startswith("403"), text
        if probe.surface.startswith("app."):
            assert site.viewer(caller).principals == held

    def _note(self, caller: Caller, probe: Probe, text: str) -> None:
        """Ids of answers, for others to judge them."""
        if probe.surface in ("rest.query", "rest.stream") and '"id":"' in text:
            id = text.rsplit('"id":"', 1)[1].split('"', 1)[0]
            self._answers[id] = caller.email or str(caller)

    def _caller(self) -> Caller:
        return self.random.choice(self.company.callers)

    def _probe(self, surfaces: tuple[str, ...] = SURFACES, weights: tuple[float, ...] = WEIGHTS) -> Probe:
        """Sometimes one that was asked before, by whoever it was: what is remembered must not be somebody else's."""
        pick = self.random.choice
        (surface,) = self.random.choices(surfaces, weights)
        if self._asked and self.random.random() < 0.5:
            before = pick(self._asked)
            return Probe(
                surface, before.question, before.document, before.mode, before.top_k, before.narrowed, before.turns,
                before.answer, before.path,
            )  # fmt: skip
        probe = Probe(
            surface,
            self._question(),
            self._document(),
            mode=pick(("hybrid", "hybrid", "lexical", "vector")),
            top_k=pick((1, 3, 10, 50)),
            narrowed=self._narrowed(),
            turns=(f"What is the {pick(SUBJECTS)}?",) if self.random.random() < 0.1 else (),
            answer=pick(list(self._answers)[-20:]) if self._answers else "none",
            path=pick(ADMIN),
        )
        self._asked = [*self._asked[-30:], probe]
        return probe

    def _some_marker(self) -> str:
        """Of anything that ever was."""
        return f"mk{self.random.randint(1, self.company._made):06d}x"

    def _question(self) -> str:
        pick = self.random.choice
        return pick(
            (
                f"What is the {pick(SUBJECTS)} of the {pick(TEAMS)} team?",
                f"What is the {pick(SUBJECTS)} of the {pick(TEAMS)} team?",
                f"Who agreed to the {pick(SUBJECTS)}?",
                f"{pick(SUBJECTS)} {self._some_marker()}",
                self._some_marker(),
            )
        )

    def _document(self) -> str:
        place = self.random.choice(list(self.company.places.values()))
        known = sorted({*place.now, *place.fetched, *place.indexed})
        if not known or self.random.random() < 0.05:
            return f"{place.name}:i{self._some_marker()}"
        return f"{place.name}:{self.random.choice(known)}"

    def _narrowed(self) -> dict[str, list[str]]:
        if self.random.random() < 0.7:
            return {}
        place = self.random.choice(list(self.company.places.values()))
        container = self.random.choice(list(place.containers))
        versions = list(place.now.values())
        author = json.loads(self.random.choice(versions).content)["author"] if versions else "Ana"
        return self.random.choice(
            (
                {"source_filter": [self.random.choice([place.name, "nowhere"])]},
                {"containers": [container]},
                {"containers": [place.containers[container]]},
                {"containers": [self.random.choice(SHARED_NAMES)]},
                {"authors": [self.random.choice([author, "Ana"])]},
            )
        )

    # ── changing ─────────────────────────────────────────────────────────────────────────────────────

    def _change(self, site: Site) -> None:
        company, kind = self.company, self.random.choice(("documents", "documents", "fetched", "members", "age"))
        self.tally.changes[kind] += 1
        match kind:
            case "documents" | "fetched":
                for _ in range(self.random.randint(1, 4)):
                    if place := company.change():
                        sync(company, site.app, place, whole=kind == "documents")
            case "members":
                place = company.change_members()
                place.away = self.random.random() < 0.2
                read_directory(company, site.app, place)
            case "age":
                company.now += timedelta(hours=self.random.choice((2, 30)))
                for place in self.random.sample(list(company.places.values()), 3):
                    place.away = False
                    read_directory(company, site.app, place)

    # ── comparing ────────────────────────────────────────────────────────────────────────────────────

    async def _compare(self, site: Site, compared: int) -> None:
        """With a hub in which what one caller may not read never was."""
        company = self.company
        for place in company.places.values():
            sync(company, site.app, place, whole=True)
        caller = self._caller()
        held = company.held(caller)
        self._twins += 1
        places = company.without_hidden(held)
        app, adapters = company.open(self.folder / f"twin{self._twins}", places)
        async with AsyncExitStack() as stack:
            stack.enter_context(app)
            for name, place in places.items():
                copy_directory(adapters, company.places[name])
                assert [report.error for report in app.sync([name])] == [""], place
            # Both remember nothing at first: what is remembered was asked at another time.
            twin, real = Site(company, app, adapters), Site(company, site.app, site.adapters)
            for one in (twin, real):
                await stack.enter_async_context(one.open())
            for _ in range(compared):
                await self._same(real, twin, caller, replace(self._probe(), answer="none"))

    async def _same(self, real: Site, twin: Site, caller: Caller, probe: Probe) -> None:
        if probe.surface in ("rest.sources", "rest.admin") and caller.way == "owner":
            return
        one, other = [await site.reply(caller, probe) for site in (real, twin)]
        self.tally.compared[probe.surface] += 1
        for mine, theirs in zip_longest(masked(one), masked(other)):
            assert mine == theirs, f"{caller} {probe}\nas it is: {mine}\nwithout:  {theirs}"


# ── at length ────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def quiet() -> Iterator[None]:
    """Every request is logged: thousands."""
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


def attack(folder: str, seed: int, pairs: int) -> Tally:
    """One company, in a process of its own."""
    logging.disable(logging.WARNING)
    made = Attack(Path(folder), seed, documents=40)
    return asyncio.run(made.run(pairs, changes=40, twins=2, compared=150))


@pytest.mark.torture
def test_nothing_hidden_is_shown_in_a_hundred_thousand_questions(tmp_path: Path) -> None:
    total = Tally()
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as processes:
        jobs = [
            processes.submit(attack, str(tmp_path / str(seed)), seed, PAIRS // COMPANIES + 300)
            for seed in range(COMPANIES)
        ]
        for job in as_completed(jobs):
            total.add(job.result())
            print(total.met.total(), total, flush=True)  # noqa: T201  # what was met is the result of a torture run
    assert total.met.total() >= PAIRS
    assert min(total.met[surface] for surface in SURFACES) > 1_000
    check_that_it_could_fail(total)


def test_nothing_hidden_is_shown_in_a_small_company(tmp_path: Path, quiet: None) -> None:
    made = Attack(tmp_path, SMALL, documents=20)
    total = asyncio.run(made.run(200, changes=8, twins=1, compared=60))
    assert total.found > 5
    assert len(+total.showed) > len(SURFACES) / 2
    assert total.compared.total() > 50


def check_that_it_could_fail(total: Tally) -> None:
    """Questions were answered, documents shown, and things changed meanwhile."""
    assert total.found > total.met.total() / 50
    quiet = {"rest.me", "rest.feedback", "rest.admin"}
    assert all(total.showed[surface] > 100 for surface in set(SURFACES) - quiet)
    assert set(total.changes) == {"documents", "fetched", "members", "age"}
    assert total.compared.total() > 1_000
