"""The demo company is what its texts say, and its questions have the answers that they claim."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import tomllib
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

import docx
import pypdfium2  # type: ignore[import-untyped]
import pytest
from python_calamine import CalamineWorkbook

DEMO = Path(__file__).parents[2] / "examples" / "demo"
HANDBOOK = DEMO / "handbook"
ZIPS = [
    "slack-export.zip",
    "handbook/contracts/supplier-terms.docx",
    "handbook/products/price-list.xlsx",
]
PDF = "handbook/products/petrel-300-datasheet.pdf"
BUNDLE = "product.bundle"

Json: TypeAlias = dict[str, Any]  # a vendor's layout, which these tests look into


def questions() -> list[Json]:
    found: list[Json] = tomllib.loads((DEMO / "questions.toml").read_text("utf-8"))["question"]
    return found


# ── The texts of all documents, by id ────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clone") / "tidewatch"
    subprocess.run(["git", "clone", "--quiet", str(DEMO / BUNDLE), str(folder)], check=True)
    return folder


@pytest.fixture(scope="module")
def documents(clone: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, text in [*handbook(), *conversations(), *commits(clone)]:
        found.setdefault(name, []).append(plain(text))
    return found


def handbook() -> Iterator[tuple[str, str]]:
    readers = {".md": lambda path: path.read_text("utf-8"), ".docx": word, ".pdf": pages, ".xlsx": rows}
    for path in sorted(HANDBOOK.rglob("*.*")):
        yield f"handbook:{path.relative_to(HANDBOOK).as_posix()}", readers[path.suffix](path)


def word(path: Path) -> str:
    return "\n".join(paragraph.text for paragraph in docx.Document(str(path)).paragraphs)


def pages(path: Path) -> str:
    with pypdfium2.PdfDocument(path) as document:
        return "\n".join(page.get_textpage().get_text_range() for page in document)


def rows(path: Path) -> str:
    workbook, lines = CalamineWorkbook.from_path(str(path)), []
    for sheet in workbook.sheet_names:
        header, *values = workbook.get_sheet_by_name(sheet).to_python()
        lines += ["; ".join(f"{h}: {cell(v)}" for h, v in zip(header, row, strict=True)) for row in values]
    return "\n".join(lines)


def cell(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def conversations() -> Iterator[tuple[str, str]]:
    with zipfile.ZipFile(DEMO / "slack-export.zip") as archive:
        names = {f"<@{user['id']}>": f"@{user['name']}" for user in json.loads(archive.read("users.json"))}
        for channel in channels(archive):
            for day, messages in days(archive, channel["name"]).items():
                for message in messages:
                    text = re.sub(r"<@\w+>", lambda match: names[match[0]], message["text"])
                    yield f"chat:{channel['id']}:{message.get('thread_ts', day)}", text


def channels(archive: zipfile.ZipFile) -> list[Json]:
    return [*json.loads(archive.read("channels.json")), *json.loads(archive.read("groups.json"))]


def days(archive: zipfile.ZipFile, channel: str) -> dict[str, list[Json]]:
    found = [name for name in archive.namelist() if name.startswith(f"{channel}/")]
    return {name.split("/")[1].removesuffix(".json"): json.loads(archive.read(name)) for name in found}


def commits(clone: Path) -> Iterator[tuple[str, str]]:
    log = subprocess.run(
        ["git", "-C", str(clone), "log", "-z", "--format=%H%n%B"], check=True, capture_output=True, text=True
    ).stdout
    for entry in filter(None, log.split("\0")):
        sha, message = entry.split("\n", 1)
        yield f"product:commit:{sha}", message


def plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).split())


# ── Built files ──────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built")
    build(folder)
    return folder


def build(folder: Path) -> None:
    subprocess.run([sys.executable, "-B", str(DEMO / "build.py"), str(folder)], check=True)


def members(content: bytes) -> list[tuple[str, tuple[int, ...], bytes]]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return [(entry.filename, entry.date_time, archive.read(entry)) for entry in archive.infolist()]


def heads(path: Path) -> str:
    command = ["git", "bundle", "list-heads", str(path)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_the_committed_pdf_is_what_the_script_builds(built: Path) -> None:
    assert (built / PDF).read_bytes() == (DEMO / PDF).read_bytes()


@pytest.mark.parametrize("name", ZIPS)
def test_the_committed_archives_hold_what_the_script_builds(built: Path, name: str) -> None:
    # Members rather than bytes: zlib and its successors pack the same text differently.
    assert members((built / name).read_bytes()) == members((DEMO / name).read_bytes())


def test_the_committed_bundle_holds_the_commits_that_the_script_builds(built: Path) -> None:
    # Ids rather than bytes: versions of Git pack the same commits differently.
    assert heads(built / BUNDLE) == heads(DEMO / BUNDLE)


def test_building_twice_gives_the_same_bytes(built: Path, tmp_path: Path) -> None:
    build(tmp_path)
    for name in [*ZIPS, PDF, BUNDLE]:
        assert (tmp_path / name).read_bytes() == (built / name).read_bytes(), name


def test_the_bundle_clones_to_a_main_branch_with_the_product(clone: Path) -> None:
    branch = subprocess.run(
        ["git", "-C", str(clone), "branch", "--show-current"], check=True, capture_output=True, text=True
    )
    assert branch.stdout.strip() == "main"
    assert {path.suffix for path in clone.rglob("*.*")} >= {".py", ".sql", ".sh", ".ts", ".md"}
    assert sum(1 for _ in commits(clone)) == len(list((DEMO / "product").glob("*.patch"))) >= 15


# ── The export's layout ──────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def messages() -> list[Json]:
    with zipfile.ZipFile(DEMO / "slack-export.zip") as archive:
        return [m for c in channels(archive) for day in days(archive, c["name"]).values() for m in day]


def test_every_folder_of_the_export_is_a_channel_and_every_message_lies_in_its_day() -> None:
    with zipfile.ZipFile(DEMO / "slack-export.zip") as archive:
        listed = channels(archive)
        assert {name.split("/")[0] for name in archive.namelist() if "/" in name} == {c["name"] for c in listed}
        for channel in listed:
            seen = []
            for day, found in days(archive, channel["name"]).items():
                assert re.fullmatch(r"\d{4}-\d\d-\d\d", day)
                assert all(day_of(message["ts"]) == day for message in found)
                seen += [message["ts"] for message in found]
            assert seen == sorted(set(seen))


def day_of(ts: str) -> str:
    return datetime.fromtimestamp(float(ts), UTC).date().isoformat()


def test_every_speaker_and_mention_is_a_known_user_or_channel(messages: list[Json]) -> None:
    with zipfile.ZipFile(DEMO / "slack-export.zip") as archive:
        users = {user["id"] for user in json.loads(archive.read("users.json"))}
        ids = {channel["id"] for channel in channels(archive)}
    assert {m["user"] for m in messages if "user" in m} <= users
    text = "\n".join(m["text"] for m in messages)
    assert set(re.findall(r"<@(\w+)>", text)) <= users
    assert set(re.findall(r"<#(\w+)\|", text)) <= ids
    assert not re.search(r"(?<![\w<])[@#][a-z]{3,}", re.sub(r"```.*?```", "", text, flags=re.DOTALL))


def test_a_thread_lists_exactly_its_replies(messages: list[Json]) -> None:
    replies: dict[str, list[str]] = {}
    for message in sorted(messages, key=lambda m: str(m["ts"])):
        if message.get("thread_ts", message["ts"]) != message["ts"]:
            replies.setdefault(message["thread_ts"], []).append(message["ts"])
    parents = {m["ts"]: m for m in messages if "replies" in m}
    assert parents.keys() == replies.keys()
    for ts, parent in parents.items():
        assert [reply["ts"] for reply in parent["replies"]] == replies[ts]
        assert parent["reply_count"] == len(replies[ts])
        assert parent["latest_reply"] == replies[ts][-1]


def test_the_export_shows_every_shape_that_a_reader_must_know(messages: list[Json]) -> None:
    assert len(messages) >= 250
    assert {m.get("subtype") for m in messages} == {None, "bot_message", "channel_join", "thread_broadcast"}
    for key in ("edited", "files", "reactions", "attachments", "blocks"):
        assert any(key in m for m in messages), key
    text = "\n".join(m["text"] for m in messages)
    for markup in ("<@U", "|workshop>", "<https://", "```", ":joy:", "&gt;"):
        assert markup in text, markup


# ── Handbook, configuration, questions ───────────────────────────────────────────────────────────────


def test_links_between_pages_lead_to_files_and_headings_that_exist() -> None:
    for page in HANDBOOK.rglob("*.md"):
        for link in re.findall(r"\]\(([^)]+)\)", page.read_text("utf-8")):
            path, _, anchor = link.partition("#")
            target = (page.parent / path).resolve()
            assert target.is_file(), f"{page.name}: {link}"
            headings = re.findall(r"^#+ (.+)$", target.read_text("utf-8"), re.MULTILINE) if anchor else []
            assert not anchor or anchor in [heading.lower().replace(" ", "-") for heading in headings]


def test_every_page_is_listed_on_the_first_one() -> None:
    listed = set(re.findall(r"\]\(([^)#]+)\)", (HANDBOOK / "README.md").read_text("utf-8")))
    assert listed == {path.relative_to(HANDBOOK).as_posix() for path in HANDBOOK.rglob("*.*")} - {"README.md"}


def test_the_configuration_names_the_three_sources_beside_it() -> None:
    sources = tomllib.loads((DEMO / "knowhub.toml").read_text("utf-8"))["sources"]
    assert {name: source["type"] for name, source in sources.items()} == {
        "handbook": "files",
        "chat": "slack_export",
        "product": "git",
    }
    assert all((DEMO / source.get("path", source.get("url", "?"))).exists() for source in sources.values())


@pytest.mark.parametrize("question", questions(), ids=lambda question: question["text"])
def test_the_answer_stands_in_the_document_that_the_question_names(
    question: Json, documents: dict[str, list[str]]
) -> None:
    if question["kind"] == "unanswerable":
        assert question["answer"] == question["document"] == ""
        return
    assert holds(documents[question["document"]], question)


def holds(texts: list[str], question: Json) -> bool:
    return any(plain(question["answer"]) in text for text in texts)


def test_no_other_document_gives_the_words_of_an_answer(documents: dict[str, list[str]]) -> None:
    for question in questions():
        if len(question["answer"]) < 12:  # "14 days" may well be said of something else
            continue
        holders = {name for name, texts in documents.items() if holds(texts, question)}
        assert holders == {question["document"]}, question["text"]


def test_the_questions_cover_every_kind_and_language_and_five_make_the_demo() -> None:
    kinds = Counter(question["kind"] for question in questions())
    assert sum(kinds.values()) >= 25
    assert kinds["unanswerable"] >= 5
    assert set(kinds) == {
        "handbook", "chat", "correction", "spreadsheet", "commit", "pdf", "docx", "unanswerable",
    }  # fmt: skip
    assert {question["language"] for question in questions()} == {"en", "ja", "es"}
    shown = Counter(question["kind"] for question in questions() if question.get("demo"))
    assert shown == Counter(["handbook", "correction", "spreadsheet", "commit", "unanswerable"])


def test_nobody_here_can_be_written_to() -> None:
    texts = [path.read_text("utf-8") for path in DEMO.rglob("*.*") if path.suffix in {".md", ".toml", ".csv", ".patch"}]
    hosts = set(re.findall(r"(?:@|https?://)([a-z0-9-]+(?:\.[a-z0-9-]+)+)", "\n".join(texts)))
    assert all(host.endswith(".example") for host in hosts), hosts
