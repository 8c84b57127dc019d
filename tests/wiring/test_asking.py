"""Asking through the whole hub: the index may lag behind the ledger, and the ledger is believed."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from knowhub.core.errors import NotFound
from knowhub.core.types import DocumentId, Filters, SourceName, Turn
from knowhub.wiring.app import App
from knowhub.wiring.laptop import Laptop
from tests.wiring.test_app import Opened

A, B = DocumentId("docs:a.md"), DocumentId("docs:b.md")


@pytest.fixture
def hub(tmp_path: Path) -> Opened:
    hub = Opened(tmp_path)
    hub.write(a="# Keys\n\nThe key is under the mat.\n", b="# Rent\n\nThe rent is paid on Monday.\n")
    return hub


@pytest.fixture
def app(hub: Opened) -> Iterator[App]:
    app, _ = hub.open()
    with app:
        list(app.sync())
        yield app


def found(app: App, text: str = "key rent", **options: object) -> set[str]:
    hits = app.search(text, viewer=app.me(), **options)  # type: ignore[arg-type]  # filters by name
    return {hit.chunk.document for hit in hits}


def test_what_was_deleted_at_the_source_is_gone_before_the_index_knows(hub: Opened, app: App) -> None:
    assert found(app) == {A, B}
    (hub.docs / "a.md").unlink()
    list(app.sync(stages=["fetch"]))
    assert found(app) == {B}
    with pytest.raises(NotFound):
        app.document(A, viewer=app.me())


def test_what_was_edited_is_still_shown_as_it_is_indexed(hub: Opened, app: App) -> None:
    hub.write(a="# Keys\n\nThe key is in the safe.\n")
    list(app.sync(stages=["fetch"]))
    assert found(app) == {A, B}
    assert "under the mat" in app.document(A, viewer=app.me()).text
    list(app.sync())
    assert "in the safe" in app.document(A, viewer=app.me()).text


def test_what_a_newer_version_closes_is_closed_before_the_index_knows(tmp_path: Path) -> None:
    hub = Opened(tmp_path)
    hub.configure('[sources.new]\ntype = "imported"\nreaders = ["owner"]\n')
    app, _ = hub.open()
    with app:
        app.hand_in(hub.batch("new"))
        list(app.sync(["new"]))
        assert found(app, "words") == {"new:a"}
    file = hub.folder / "knowhub.toml"
    file.write_text(file.read_text().replace('readers = ["owner"]', 'readers = ["somebody else"]'))
    app, _ = hub.open()
    with app:
        app.hand_in(hub.batch("new"))
        assert found(app, "words") == set()
        answer = app.ask("words?", viewer=app.me())
        assert (answer.citations, answer.nearest) == ((), ())
        with pytest.raises(NotFound):
            app.document(DocumentId("new:a"), viewer=app.me())


def test_who_is_taken_out_of_a_sources_readers_is_out_before_the_next_sync(hub: Opened, app: App) -> None:
    assert found(app) == {A, B}
    file = hub.folder / "knowhub.toml"
    file.write_text(file.read_text().replace("[sources.docs]", '[sources.docs]\nreaders = ["group:board"]'))
    again, _ = hub.open()
    with again:
        assert found(again) == set()
        assert not again.ask("Where is the key?", viewer=again.me()).found
        assert again.overview(viewer=again.me(), admin=False) == []
        assert list(again.documents([], viewer=again.me())) == []
        assert list(again.originals([], viewer=again.me())) == []
        for look in (again.document, again.show):
            with pytest.raises(NotFound):
                look(A, viewer=again.me())


def test_a_source_of_which_nothing_may_be_read_does_not_exist(app: App) -> None:
    assert found(app, filters=Filters(sources=(SourceName("docs"),))) == {A, B}
    said = []
    for name in ("docs", "nowhere"):
        with pytest.raises(NotFound) as refused:
            app.search("key", viewer=app.me(["stranger"]), filters=Filters(sources=(SourceName(name),)))
        said.append(str(refused.value).replace(name, "…"))
    assert said[0] == said[1]
    assert "docs" not in said[0]


def test_the_footer_tells_how_fresh_the_sources_are_that_one_may_read(app: App) -> None:
    states = app.ask("Where is the key?", viewer=app.me()).sources
    assert [(state.source, state.problem) for state in states] == [("docs", "")]
    assert states[0].read_at is not None
    assert app.ask("Where is the key?", viewer=app.me(["stranger"])).sources == ()


def test_the_footer_tells_of_a_source_that_could_not_be_reached(hub: Opened, app: App) -> None:
    hub.docs.rename(hub.docs.with_name("moved"))
    list(app.sync(["docs", "old"]))
    (state,) = app.ask("Where is the key?", viewer=app.me()).sources
    assert state.problem == "could not be read at the last attempt"
    assert state.read_at is not None


def test_a_source_that_is_gone_from_the_configuration_is_still_searched(hub: Opened, app: App) -> None:
    file = hub.folder / "knowhub.toml"
    file.write_text(file.read_text().replace("[sources.docs]", "[sources.renamed]"))
    with App(Laptop(app._adapters.configuration)) as again:
        assert found(again) == {A, B}


# ── on record ────────────────────────────────────────────────────────────────────────────────────────


def test_the_audit_trail_names_who_was_shown_what_and_holds_no_text(app: App) -> None:
    app.search("where is the KEYWORD", viewer=app.me(), surface="rest")
    app.ask("Where is the key?", viewer=app.me(), surface="mcp")
    app.document(A, viewer=app.me())
    entries = app.audit()
    assert [(one.viewer, one.action, one.surface) for one in entries][::-1][:2] == [
        ("me", "search", "rest"),
        ("me", "ask", "mcp"),
    ]
    assert (entries[0].action, entries[0].documents) == ("read", (A,))
    assert "KEYWORD" not in repr(entries)
    assert app.audit(document=B) != []
    assert app.audit(viewer="ana@acme.test") == []


def test_who_is_shown_nothing_is_not_on_record(app: App) -> None:
    app.search("key", viewer=app.me(["stranger"]))
    app.ask("Where is the key?", viewer=app.me(["stranger"]))
    assert app.audit() == []


def test_feedback_becomes_a_case_and_only_the_asker_gives_it(app: App) -> None:
    asked = app.ask("Where is the key?", viewer=app.me())
    with pytest.raises(NotFound):
        app.feedback(asked.id, viewer=app.me(["owner", "else"]), useful=True, reason="")
    with pytest.raises(NotFound):
        app.feedback("invented", viewer=app.me(), useful=True, reason="")
    app.feedback(asked.id, viewer=app.me(), useful=False, reason="it moved")
    file = app.settings.answers.feedback
    (case,) = tomllib.loads((app._adapters.configuration.folder / file).read_text())["question"]
    assert (case["text"], case["reason"]) == ("Where is the key?", "it moved")


def test_what_is_erased_is_erased_from_what_was_said_of_answers(app: App) -> None:
    asked = app.ask("Where is the key?", viewer=app.me())
    assert A in {one.document for one in asked.citations}
    app.feedback(asked.id, viewer=app.me(), useful=False, reason="it moved")
    app.forget(A)
    file = app._adapters.configuration.folder / app.settings.answers.feedback
    assert "mat" not in file.read_text()
    assert "mat" not in repr(app._adapters.database.rows("SELECT * FROM questions"))


def test_what_nobody_could_answer_is_a_gap_until_it_is_too_old(app: App) -> None:
    for _ in range(2):
        assert not app.ask("zebra stripes quagga?", viewer=app.me(["stranger"])).found
    (gap,) = app.gaps(viewer=app.me())
    assert (gap.question, gap.asked, gap.people) == ("zebra stripes quagga?", 2, 1)
    app.sweep_records()
    assert app.gaps(viewer=app.me())


def test_a_greeting_is_no_gap(app: App) -> None:
    assert not app.ask("Thank you!", viewer=app.me()).found
    assert app.gaps(viewer=app.me()) == []


def test_a_question_of_a_conversation_says_what_was_searched_for(app: App) -> None:
    turns = [Turn("Who pays the rent?", "The tenant.")]
    answer = app.ask("And when is it paid?", viewer=app.me(), turns=turns)
    assert answer.question == "And when is it paid?"
    assert "rent" in answer.searched
    whole = "Which monthly invoice covers electricity, water and heating?"
    assert app.ask(whole, viewer=app.me(), turns=turns).searched == ""
