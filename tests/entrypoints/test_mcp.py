"""The Model Context Protocol with the official client, over both of its roads."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.server.mcpserver.exceptions import ToolError
from mcp.shared.exceptions import MCPError
from mcp.types import CallToolResult

from knowhub.core.errors import NotFound, TransientError
from knowhub.entrypoints.mcp import PATH, _Turns, mounted
from knowhub.entrypoints.rest.app import create
from knowhub.entrypoints.rest.serve import listen, server
from knowhub.wiring.app import App
from knowhub.wiring.laptop import Laptop
from knowhub.wiring.settings import load
from tests.entrypoints.rest.kit import Beside, write_tiny_model

pytestmark = pytest.mark.anyio
TOOLS = {"search", "ask", "read_document", "list_sources"}
SECRET = "The vault opens with the number 4711."
LONG = "word " * 8000


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mcp") / "hub"
    table = write_tiny_model(folder)
    texts = {
        "staff": {"leave.md": "# Leave\n\nEverybody has 27 days of leave.\u202e\n", "long.md": LONG},
        "board": {"vault.md": f"# Vault\n\n{SECRET}\n"},
    }
    tables = ""
    for source, files in texts.items():
        (folder / source).mkdir()
        for name, text in files.items():
            (folder / source / name).write_text(text)
        tables += f'[sources.{source}]\ntype = "files"\npath = "{source}"\nreaders = ["group:{source}"]\n'
    me = '[access]\nme = ["group:staff"]\n[server]\nlocal_owner = false\n'
    (folder / "knowhub.toml").write_text(table + me + tables)
    with opened(folder) as app:
        assert [report.state for report in app.sync()] == ["ok", "ok"]
    return folder


@contextmanager
def opened(folder: Path) -> Iterator[App]:
    with App(Laptop(load(folder / "knowhub.toml"))) as app:
        yield app


@pytest.fixture
def app(folder: Path) -> Iterator[App]:
    with opened(folder) as app:
        yield app


@asynccontextmanager
async def by_stdio(folder: Path, *more: str) -> AsyncIterator[Client]:
    command = ["-m", "knowhub.entrypoints.cli.main", "--config", str(folder / "knowhub.toml"), "mcp", *more]
    async with Client(StdioServerParameters(command=sys.executable, args=command)) as client:
        yield client


@asynccontextmanager
async def served(app: App) -> AsyncIterator[str]:
    """Its address."""
    running = server(create(app, Beside(), mounts=[mounted(app)]), host="127.0.0.1", port=0, grace_s=5)
    with listen("127.0.0.1", 0) as sock:
        task = asyncio.create_task(running.serve(sockets=[sock]))
        try:
            yield f"http://127.0.0.1:{sock.getsockname()[1]}"
        finally:
            running.should_exit = True
            await task


@asynccontextmanager
async def by_http(url: str, token: str) -> AsyncIterator[Client]:
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=30) as http,
        Client(streamable_http_client(f"{url}{PATH}", http_client=http)) as client,
    ):
        yield client


def key(app: App, source: str) -> str:
    return app.add_key("test", principals=[f"group:{source}"]).token.reveal()


def told(result: CallToolResult) -> dict[str, Any]:
    assert not result.is_error, result.content
    assert result.structured_content is not None
    content: dict[str, Any] = result.structured_content
    return content


async def test_the_tools_only_read_and_say_so(folder: Path) -> None:
    async with by_stdio(folder) as client:
        tools = (await client.list_tools()).tools
    assert {tool.name for tool in tools} == TOOLS
    for tool in tools:
        assert tool.annotations is not None
        assert (tool.annotations.read_only_hint, tool.annotations.destructive_hint) == (True, False)
        assert tool.description
        assert tool.output_schema


async def test_standard_input_reads_as_this_machines_owner(folder: Path) -> None:
    async with by_stdio(folder) as client:
        found = told(await client.call_tool("search", {"query": "leave days"}))
        assert {one["document"] for one in found["passages"]} == {"staff:leave.md", "staff:long.md"}
        answer = told(await client.call_tool("ask", {"question": "How many days of leave has everybody?"}))
        assert answer["found"]
        assert answer["citations"][0]["text"] == "Everybody has 27 days of leave."
        assert answer["citations"][0]["link"].startswith("file://")
        listed = told(await client.call_tool("list_sources", {}))["sources"]
        assert [(one["source"], one["documents"]) for one in listed] == [("staff", 2)]


async def test_standard_input_can_read_as_somebody_else(folder: Path) -> None:
    async with by_stdio(folder, "--as", "group:board") as client:
        listed = told(await client.call_tool("list_sources", {}))["sources"]
    assert [one["source"] for one in listed] == ["board"]


async def test_a_long_document_is_read_page_by_page(folder: Path) -> None:
    async with by_stdio(folder) as client:
        text, offset = "", 0
        while offset is not None:
            page = told(await client.call_tool("read_document", {"document": "staff:long.md", "offset": offset}))
            text, offset = text + page["text"], page["next_offset"]
    assert text == LONG


async def test_each_bearer_reads_what_they_may_and_nothing_else(app: App) -> None:
    async with served(app) as url:
        for source, other in (("staff", "board"), ("board", "staff")):
            async with by_http(url, key(app, source)) as client:
                found = told(await client.call_tool("search", {"query": "vault number leave days", "top_k": 50}))
                assert {one["source"] for one in found["passages"]} == {source}
                hidden = "board:vault.md" if other == "board" else "staff:leave.md"
                refused = await client.call_tool("read_document", {"document": hidden})
                absent = await client.call_tool("read_document", {"document": f"{other}:nothing"})
                assert refused.is_error
                assert absent.is_error
                assert str(refused.content).replace(hidden, "…") == str(absent.content).replace(f"{other}:nothing", "…")
                narrowed = await client.call_tool("search", {"query": "vault", "sources": [other]})
                assert narrowed.is_error
                answer = told(await client.call_tool("ask", {"question": "What opens the vault?"}))
                assert (SECRET in str(answer)) is (source == "board")


async def test_who_may_read_is_asked_at_each_call(app: App) -> None:
    token = key(app, "board")
    async with served(app) as url, by_http(url, token) as client:
        assert told(await client.call_tool("search", {"query": "vault"}))["passages"]
        app.revoke_key(token.split("_")[1])
        with pytest.raises(MCPError):
            await client.call_tool("search", {"query": "vault"})


@pytest.mark.parametrize("header", [None, "Bearer kh_0000_forged", "Basic a2g6a2g=", "Bearer"])
async def test_nobody_comes_in_without_a_token_that_holds(app: App, header: str | None) -> None:
    async with served(app) as url, httpx2.AsyncClient() as http:
        headers = {"Accept": "application/json, text/event-stream"} | ({"Authorization": header} if header else {})
        call = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
        reply = await http.post(f"{url}{PATH}", json=call, headers=headers)
    assert reply.status_code == 401
    assert reply.headers["www-authenticate"].startswith("Bearer")
    assert reply.headers["content-type"] == "application/problem+json"


async def test_bad_arguments_are_refused_with_a_reason(folder: Path) -> None:
    async with by_stdio(folder) as client:
        for arguments in ({}, {"query": ""}, {"query": "x" * 5000}, {"query": "x", "top_k": 0}, {"query": 5}):
            assert (await client.call_tool("search", arguments)).is_error
        for text in ("\x00", "\u202e", "<script>", "'; DROP TABLE chunks; --", "日本語", "🙂" * 500):
            assert not (await client.call_tool("search", {"query": text})).is_error


async def test_what_is_read_is_on_record(app: App) -> None:
    async with served(app) as url, by_http(url, key(app, "board")) as client:
        await client.call_tool("read_document", {"document": "board:vault.md"})
    entry = app.audit(limit=1)[0]
    assert (entry.surface, entry.action, entry.documents) == ("mcp", "read", ("board:vault.md",))


async def test_a_key_that_may_not_read_reads_nothing(app: App) -> None:
    token = app.add_key("test", principals=["group:board"], scopes=frozenset(("admin",))).token.reveal()
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    headers = {"Accept": "application/json, text/event-stream", "Authorization": f"Bearer {token}"}
    async with served(app) as url, httpx2.AsyncClient() as http:
        reply = await http.post(f"{url}{PATH}", json=call, headers=headers)
    assert reply.status_code == 403


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "OPTIONS"])
async def test_nobody_holds_a_connection_open_for_nothing(app: App, method: str) -> None:
    headers = {"Accept": "text/event-stream", "Authorization": f"Bearer {key(app, 'staff')}"}
    async with served(app) as url, httpx2.AsyncClient() as http:
        reply = await http.request(method, f"{url}{PATH}", headers=headers)
    assert reply.status_code == 405
    assert reply.headers["allow"] == "POST"


def test_more_calls_than_may_wait_are_told_to_come_back() -> None:
    turns = _Turns(1, 0)
    with turns.one(frank=False), pytest.raises(ToolError, match="busy"), turns.one(frank=False):
        pass
    with turns.one(frank=False):
        pass


@pytest.mark.parametrize("frank", [True, False])
def test_an_error_of_the_hub_is_its_sentence(frank: bool) -> None:
    with pytest.raises(ToolError, match=r"(?i)not there"), _Turns(1, 0).one(frank=frank):
        raise NotFound("not there")


def test_the_hubs_own_troubles_are_told_to_administrators_alone() -> None:
    for frank in (True, False):
        with pytest.raises(ToolError) as told, _Turns(1, 0).one(frank=frank):
            raise TransientError("the ledger /srv/hub/ledger.db is busy")
        assert ("/srv/hub" in str(told.value)) is frank
