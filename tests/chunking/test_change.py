from __future__ import annotations

from knowhub.chunking.router import Chunker
from knowhub.core.types import Document
from tests.chunking.documents import joined

HUNK = "@@ -{n},3 +{n},3 @@\n     unchanged = 1\n-    old = 2\n+    new = 2\n"


def commit(message: str, **files: str) -> Document:
    parts = [("title", "", "", "Fix the alarm"), ("body", "", "", message)]
    parts += [("file", f"src/{name}.py", f"#{name}", diff) for name, diff in files.items()]
    return joined("change", *parts, title="Fix the alarm")


def test_the_message_is_one_chunk_and_each_file_another() -> None:
    chunks = Chunker()(commit("It rang at night.", bell=HUNK.format(n=1), roof=HUNK.format(n=9)))
    assert [(chunk.anchor, chunk.context) for chunk in chunks] == [
        ("", "Fix the alarm"),
        ("#bell", "Fix the alarm › src/bell.py"),
        ("#roof", "Fix the alarm › src/roof.py"),
    ]
    assert chunks[0].text == "Fix the alarm\nIt rang at night."


def test_a_long_diff_is_cut_between_its_hunks() -> None:
    diff = "diff --git a/bell b/bell\n" + "".join(HUNK.format(n=n) for n in range(100))
    chunks = Chunker()(commit("It rang at night.", bell=diff))[1:]
    assert len(chunks) > 1
    assert chunks[0].text.startswith("diff --git")
    assert all(chunk.text.startswith("@@ ") for chunk in chunks[1:])


def test_a_hunk_longer_than_a_chunk_is_cut_between_lines_and_keeps_their_indentation() -> None:
    diff = "@@ -1,900 +1,900 @@\n" + "     line = 1\n" * 500
    chunks = Chunker()(commit("", bell=diff))[1:]
    assert len(chunks) > 1
    assert all(line in ("     line = 1", "@@ -1,900 +1,900 @@") for c in chunks for line in c.text.split("\n"))
