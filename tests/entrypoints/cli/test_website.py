"""A website from the command line: check, sync, search, status and tables, as a person would."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from knowhub.entrypoints.cli.main import INCOMPLETE, run
from tests.servers.kit import VirtualClock
from tests.servers.wordpress import Kind, WordPress


@pytest.fixture
def site() -> Iterator[WordPress]:
    with WordPress(VirtualClock()) as server:
        server.kinds = {"page": Kind("page", "pages", "Pages"), "stores": Kind("stores", "stores", "Stores")}
        server.user("ann", "administrator")
        server.add("page", "Opening hours", "<p>We open at ten, on Sundays at noon.</p>")
        server.add("stores", "Book &amp; Bean", "<p>Books, and coffee from Lisbon.</p>")
        server.add("stores", "=2+2", "<p>Toys.</p>")
        yield server


def command(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    code = run(list(words))
    out, err = capsys.readouterr()
    return code, out + err


def test_a_website_is_searched_and_exported(
    site: WordPress, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    table = f'[sources.mall]\ntype = "wordpress"\nbase_url = "{site.url}"\n'
    (tmp_path / "knowhub.toml").write_text(table)
    code, said = command(capsys, "check")
    assert code == 1
    assert 'set readers = ["owner"] in [sources.mall]' in said
    (tmp_path / "knowhub.toml").write_text(f'{table}readers = ["owner"]\n')
    assert command(capsys, "check")[0] == 0

    assert command(capsys, "sync")[0] == 0
    assert "coffee from Lisbon" in command(capsys, "search", "coffee")[1]
    code, said = command(capsys, "export", "tables", "--format", "wordpress", "--json")
    assert code == 0
    files = json.loads(said)["files"]
    assert [file.rpartition("_202")[0] for file in files] == [
        "raw/page", "vectorial/page_vectorial", "raw/stores", "vectorial/stores_vectorial"
    ]  # fmt: skip
    rows = list(csv.DictReader(io.StringIO((tmp_path / "tables" / files[3]).read_text("utf-8-sig"))))
    assert [row["title"] for row in rows] == ["Book & Bean", "'=2+2"]
    assert "coffee from Lisbon" in rows[0]["text"]
    assert command(capsys, "export", "tables", "--format", "wordpress", "--as", "stranger", "--json")[1] == (
        '{"folder": "tables", "files": []}\n'
    )


def test_a_type_that_a_plugin_closed_is_unreachable_and_the_rest_is_not(
    site: WordPress, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "knowhub.toml").write_text(
        f'[sources.mall]\ntype = "wordpress"\nbase_url = "{site.url}"\nreaders = ["owner"]\n'
    )
    site.kinds["stores"].closed = ("html", 404)
    assert command(capsys, "sync")[0] == INCOMPLETE
    code, said = command(capsys, "status", "mall")
    assert code == INCOMPLETE
    assert "unreachable" in said
    assert "stores" in said
    assert "noon" in command(capsys, "search", "Sundays")[1]
