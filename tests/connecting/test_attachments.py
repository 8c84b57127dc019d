from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from knowhub.connecting.attachments import Attachment, Attachments, attachment_document
from knowhub.core.errors import UnreadableContent
from knowhub.core.types import Acl, ContainerId, Failed, ItemId, RawRecord, Skipped, SourceName, Unchanged
from knowhub.formats.files import parse_file
from knowhub.http import Http
from tests.contracts.source import LedgerModel
from tests.servers.kit import Answer, Asked, SimulatedApi, VirtualClock


class Files(SimulatedApi):
    def answer(self, asked: Asked) -> Answer:
        if asked.path == "/notes.md":
            return Answer(body=b"# Plan\n\nWe meet at noon.", content_type="text/markdown")
        return Answer({"message": "no such file"}, 404)


@pytest.fixture
def api() -> Iterator[Files]:
    with Files(VirtualClock()) as server:
        yield server


def attachment(api: Files, name: str = "notes.md") -> Attachment:
    return Attachment(
        item=ItemId("issue:1:file:2"), container=ContainerId("ops"), name=name, url=f"{api.url}/{name}?signature=abc",
        link="https://x.example/browse/OPS-1", version="v1", acl=Acl.of("t:project:ops"), parent="OPS-1",
        size_bytes=30, author="Ann", created_at="2026-03-01T10:00:00+00:00",
    )  # fmt: skip


def fetched(api: Files, one: Attachment, *, max_bytes: int = 1000, known: LedgerModel | None = None) -> object:
    source = Attachments(Http(api.url, clock=api.clock), SourceName("t"), max_bytes)
    return source.fetch(one, known or LedgerModel())


def test_a_file_becomes_a_document_that_leads_to_what_it_hangs_on(api: Files) -> None:
    record = fetched(api, attachment(api))
    assert isinstance(record, RawRecord)
    document = attachment_document(record, 3, parse_file)
    assert document.title == "Plan (OPS-1)"
    assert "We meet at noon." in document.text
    assert (document.url, document.location) == ("https://x.example/browse/OPS-1", "OPS-1/notes.md")
    assert (document.acl, document.authors) == (Acl.of("t:project:ops"), ("Ann",))


def test_the_address_of_the_bytes_is_not_stored(api: Files) -> None:
    assert "signature" not in repr(fetched(api, attachment(api)))


def test_a_version_that_is_known_is_not_downloaded_again(api: Files) -> None:
    known = LedgerModel()
    record = fetched(api, attachment(api))
    assert isinstance(record, RawRecord)
    known._commit([record])
    assert isinstance(fetched(api, attachment(api), known=known), Unchanged)
    assert isinstance(fetched(api, replace(attachment(api), version="v2"), known=known), RawRecord)
    assert len(api.log) == 2


@pytest.mark.parametrize(
    ("name", "size", "reason"),
    [("photo.png", 10, "no text in .png files"), ("notes.md", 1001, "attachment too large"),
     ("notes.md", None, "attachment too large")],
)  # fmt: skip
def test_what_holds_no_text_or_too_much_is_left_out_with_a_reason(
    api: Files, name: str, size: int | None, reason: str
) -> None:
    found = fetched(api, replace(attachment(api, name), size_bytes=size), max_bytes=20 if size is None else 1000)
    assert isinstance(found, Skipped)
    assert found.reason == reason


def test_a_file_that_cannot_be_had_fails_alone(api: Files) -> None:
    found = fetched(api, attachment(api, "lost.md"))
    assert isinstance(found, Failed)
    assert found.error == "GET /lost.md: 404, no such file"


def test_a_record_without_a_file_is_unreadable() -> None:
    record = RawRecord(SourceName("t"), ContainerId("c"), ItemId("i"), "attachment", "1", Acl(), {"name": "x"})
    with pytest.raises(UnreadableContent):
        attachment_document(record, 1, parse_file)
