"""Who may read what of Discord, and what a person chose to read."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from knowhub.core.types import Principal, Viewer
from knowhub.sources.discord.permissions import Guild, Member, may_read, permissions
from tests.contracts.api_source import holders
from tests.contracts.source import LedgerModel
from tests.servers.discord import (
    ADMINISTRATOR,
    CONNECT,
    HISTORY,
    MANAGE_THREADS,
    ORDINARY,
    VIEW,
)
from tests.servers.kit import Answer, Asked
from tests.sources.discord_company import Company, Running


@pytest.fixture
def company() -> Iterator[Company]:
    made = Company()
    with made.server:
        yield made


@pytest.fixture
def running(tmp_path: Path, company: Company) -> Running:
    return Running(tmp_path, company)


# ── options ──────────────────────────────────────────────────────────────────────────────────────────


def test_channels_are_chosen_by_name_id_and_server(tmp_path: Path) -> None:
    company = Company(include=("gen*", "Acme/ops"), exclude=("#general-old",))
    with company.server:
        for name in ("general-old", "ops", "random"):
            company.server.post(company.server.add_channel(company.guild, name), company.ana, f"in {name}")
        company.server.post(company.general, company.ana, "in general")
        running = Running(tmp_path, company)
        running.sync()
        assert sorted(text.split(": ")[1] for text in running.texts().values()) == ["in general", "in ops"]
        rows = running.hub.ledgers.reports.coverage(company.name)
        assert [dict(row.filtered) for row in rows if row.filtered] == [{"excluded by configuration": 1}] * 2
        company.options["exclude"] = ("ops",)
        running.sync()
        assert sorted(text.split(": ")[1] for text in running.texts().values()) == ["in general", "in general-old"]


def test_servers_are_chosen_by_name_or_id_and_a_wrong_one_is_told(tmp_path: Path) -> None:
    company = Company(guilds=("Club", "Nowhere"))
    with company.server:
        club = company.server.add_guild("Club", company.ana)
        company.server.post(company.server.add_channel(club, "hall"), company.ana, "in the club")
        company.server.post(company.general, company.ana, "in the company")
        running = Running(tmp_path, company)
        running.sync()
        assert running.said().endswith("in the club")
        assert "'Nowhere'" in company.source().check()[0]


def test_nothing_before_since_is_read_or_expected(tmp_path: Path) -> None:
    company = Company(since=datetime(2026, 3, 5, 12, tzinfo=UTC))
    with company.server:
        old = company.server.start_thread(company.general, "Old", company.ana)
        mixed = company.server.start_thread(company.general, "Mixed", company.ana)
        for place in (company.general, old, mixed):
            company.server.post(place, company.ana, "too old")
        company.clock.advance(days=3, hours=4)
        for place in (company.general, mixed):
            company.server.post(place, company.ana, "new enough")
        running = Running(tmp_path, company)
        running.sync()
        assert running.texts().keys() == {f"{company.general.id}:2026-03-05", f"thread:{mixed.id}"}
        assert "too old" not in running.said()
        assert running.row(company.general).expected == 2


def test_private_threads_may_be_left_out(tmp_path: Path) -> None:
    company = Company()
    with company.server:
        thread = company.server.start_thread(company.general, "Hush", company.ana, private=True)
        company.server.post(thread, company.ana, "hush")
        running = Running(tmp_path, company)
        assert len(running.sync()) == 1
        company.options["private_threads"] = False
        assert running.sync() == {}
        assert running.row(company.general).whole


def test_readers_of_the_configuration_stand_in_for_discords(company: Company) -> None:
    company.options["readers"] = ("owner",)
    company.server.post(company.general, company.ana, "Hello")
    thread = company.server.start_thread(company.general, "T", company.ana, private=True)
    company.server.post(thread, company.ana, "x", files={"a.txt": b"y"})
    ledger = LedgerModel()
    ledger.fetch(company.source())
    assert {record.acl.canonical() for record in ledger.records.values()} == {(("owner",),)}


# ── D10: who may read ────────────────────────────────────────────────────────────────────────────────

OPEN = {"1": ORDINARY, "2": 0, "3": 0, "9": ADMINISTRATOR, "8": MANAGE_THREADS}
SHUT = {**OPEN, "1": 0}


def over(id: str, *, allow: int = 0, deny: int = 0) -> dict[str, Any]:
    return {"id": id, "type": 0, "allow": str(allow), "deny": str(deny)}


@pytest.mark.parametrize(
    ("roles", "member", "overwrites", "reads"),
    [
        (OPEN, Member("50", frozenset()), [], True),
        (SHUT, Member("50", frozenset()), [], False),
        (SHUT, Member("7", frozenset()), [over("1", deny=VIEW)], True),
        (OPEN, Member("50", frozenset({"9"})), [over("50", deny=VIEW), over("9", deny=VIEW)], True),
        (OPEN, Member("50", frozenset()), [over("1", deny=VIEW)], False),
        (OPEN, Member("50", frozenset()), [over("1", deny=HISTORY)], False),
        (OPEN, Member("50", frozenset({"2"})), [over("1", deny=VIEW), over("2", allow=VIEW)], True),
        (OPEN, Member("50", frozenset({"2", "3"})), [over("2", deny=VIEW), over("3", allow=VIEW)], True),
        (OPEN, Member("50", frozenset({"2"})), [over("2", allow=VIEW), over("50", deny=VIEW)], False),
        (OPEN, Member("50", frozenset({"2"})), [over("2", deny=VIEW), over("50", allow=VIEW)], True),
        (SHUT, Member("50", frozenset()), [over("1", allow=VIEW | HISTORY)], True),
        (SHUT, Member("50", frozenset()), [over("50", allow=VIEW)], False),
        (OPEN, Member("50", frozenset(), muted=True), [], True),
        (OPEN, Member("50", frozenset(), guest=True), [over("50", allow=VIEW)], False),
    ],
)  # fmt: skip
def test_the_permission_algorithm(roles: Any, member: Member, overwrites: list[Any], reads: bool) -> None:
    guild = Guild("1", "Acme", "7", roles, {})
    channel = {"type": 0, "permission_overwrites": overwrites}
    assert may_read(permissions(guild, member, channel), channel) is reads


def test_voice_channels_are_read_by_those_who_may_enter_and_are_not_timed_out() -> None:
    guild, lounge = Guild("1", "Acme", "7", OPEN, {}), {"type": 2, "permission_overwrites": [over("2", deny=CONNECT)]}
    members = [Member("50", frozenset()), Member("51", frozenset({"2"})), Member("52", frozenset(), muted=True)]
    assert [may_read(permissions(guild, one, lounge), lounge) for one in members] == [True, False, False]


def test_a_timeout_takes_private_threads_from_moderators_but_not_from_administrators() -> None:
    guild, channel = Guild("1", "Acme", "7", OPEN, {}), {"type": 0, "permission_overwrites": []}
    muted = [Member("50", frozenset({role}), muted=True) for role in ("8", "9")]
    assert [bool(permissions(guild, one, channel) & MANAGE_THREADS) for one in muted] == [False, True]


def test_a_private_thread_is_read_by_its_members_and_moderators_who_see_the_channel(running: Running) -> None:
    company, server = running.company, running.company.server
    cid, dan, eve = (server.add_user(name).id for name in ("cid", "dan", "eve"))
    for user in (cid, dan, eve):
        server.join(company.guild, user)
    company.guild.members[cid].roles.add(server.add_role(company.guild, "mods", MANAGE_THREADS))
    thread = server.start_thread(company.general, "Hush", company.ben, private=True)
    thread.members |= {dan, company.server.bot}
    server.archive(thread)
    server.overwrite(company.general, dan, deny=VIEW)
    running.sync()
    acl = running.hub.documents()["chat:thread:" + thread.id].acl  # type: ignore[index]
    assert acl.canonical() == ((f"chat:channel:{company.general.id}",), (f"chat:thread:{thread.id}",))
    assert _readers(running, f"chat:thread:{thread.id}") == {company.ana, company.ben, cid}


def test_names_of_places_that_not_all_readers_see_are_not_told(running: Running) -> None:
    company, server = running.company, running.company.server
    shut = [server.add_channel(company.guild, name) for name in ("layoffs", "board")]
    partly = server.add_channel(company.guild, "partly")
    for channel in shut:
        server.overwrite(channel, company.guild.id, deny=VIEW)
        server.overwrite(channel, server.bot, allow=VIEW)
    server.overwrite(partly, company.ben, deny=VIEW)
    open_thread = server.start_thread(company.general, "Lunch", company.ana)
    hidden_thread = server.start_thread(shut[0], "Severance", company.ana)
    hush = server.start_thread(company.general, "Hush", company.ana, private=True)
    mentioned = [company.general, partly, open_thread, *shut, hidden_thread, hush]
    words = " ".join(f"<#{one.id}>" for one in mentioned)
    for place in (company.general, shut[1], open_thread):
        server.post(place, company.ana, words)
    running.sync()
    ids = [f"#{one.id}" for one in mentioned]
    told = {place: text.split(": ", 1)[1].split() for place, text in running.texts().items() if "<" not in text}
    assert told[f"{company.general.id}:2026-03-02"] == ["#general", ids[1], "#Lunch", *ids[3:]]
    assert told[f"thread:{open_thread.id}"] == ["#general", ids[1], "#Lunch", *ids[3:]]
    assert told[f"{shut[1].id}:2026-03-02"] == [
        "#general",
        ids[1],
        "#Lunch",
        "#layoffs",
        "#board",
        "#Severance",
        ids[6],
    ]


@pytest.mark.parametrize("what", ["thread", "channel"])
def test_what_is_deleted_while_members_are_listed_does_not_hide_the_rest(running: Running, what: str) -> None:
    company, server = running.company, running.company.server
    closed = server.add_channel(company.guild, "closed")
    threads = [server.start_thread(place, "T", company.ana, private=True) for place in (closed, company.general)]
    server.post(company.general, company.ana, "Hello")
    for thread in threads:
        server.post(thread, company.ana, "x")
        server.archive(thread)
    running.sync()
    answer = server.answer
    ending = f"/{threads[0].id}/thread-members" if what == "thread" else f"/{closed.id}/threads/archived/private"

    def gone(asked: Asked) -> Answer:
        return (
            Answer({"message": "Unknown Channel", "code": 10003}, 404) if asked.path.endswith(ending) else answer(asked)
        )

    server.answer = gone  # type: ignore[method-assign]
    assert _readers(running, f"chat:thread:{threads[1].id}") == {company.ana}
    assert company.ben not in _readers(running, f"chat:thread:{threads[0].id}")


def test_leaving_a_role_takes_effect_without_a_sync(running: Running) -> None:
    company = running.company
    role = company.server.add_role(company.guild, "staff", 0)
    company.server.overwrite(company.general, company.guild.id, deny=VIEW)
    company.server.overwrite(company.general, role, allow=VIEW)
    company.server.overwrite(company.general, company.server.bot, allow=VIEW)
    company.guild.members[company.ben].roles.add(role)
    company.server.post(company.general, company.ana, "Hello")
    item = next(iter(running.sync()))
    assert _readers(running, f"chat:{item}") == {company.ana, company.ben}
    company.guild.members[company.ben].roles.clear()
    assert _readers(running, f"chat:{item}") == {company.ana}


def test_people_are_named_as_the_server_names_them(company: Company) -> None:
    company.guild.members[company.ben].nick = "Benno"
    people = {person.principal: person.name for person in company.source().people()}
    assert people == {f"chat:user:{company.ana}": "Ana", f"chat:user:{company.ben}": "Benno"}


def test_thousands_of_members_make_few_classes(company: Company) -> None:
    for n in range(1500):
        company.server.join(company.guild, company.server.add_user(f"user{n}").id)
    for n in range(20):
        company.server.add_channel(company.guild, f"c{n}")
    source = company.source()
    memberships = list(source.memberships())
    assert sum(len(one.members) for one in memberships) < 1502 + 22 * 2
    assert len(list(source.people())) == 1502


def _readers(running: Running, id: str) -> set[str]:
    document = running.hub.documents()[id]  # type: ignore[index]
    held = holders(running.company.source())
    return {
        person.removeprefix("chat:user:")
        for person, principals in held.items()
        if person != "anyone" and document.acl.admits(Viewer(person, frozenset(map(Principal, principals))))
    }
