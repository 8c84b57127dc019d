"""The demo company over HTTP: what is asked, found, read and judged, by those who may."""

from __future__ import annotations

import json
import socket
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import httpx2
import pytest

from knowhub.entrypoints.rest.problems import MEDIA_TYPE
from knowhub.wiring.app import App
from tests.entrypoints.rest.conftest import Serve
from tests.entrypoints.rest.kit import STREAM, Running, events

HOTEL = "What is the limit for a hotel per night?"


def token(hub: App, *principals: str, admin: bool = False) -> str:
    scopes = frozenset(("read", "admin")) if admin else frozenset(("read",))
    return hub.add_key("a test", scopes=scopes, principals=principals).token.reveal()  # type: ignore[arg-type]


def problem(response: httpx2.Response, status: int) -> dict[str, Any]:
    """A refusal as all of them are."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == MEDIA_TYPE
    found: dict[str, Any] = response.json()
    assert found["status"] == status
    assert found["detail"].endswith((".", ")"))
    assert found["request_id"] == response.headers["x-request-id"]
    assert found["instance"] == response.request.url.raw_path.decode().partition("?")[0]
    return found


def test_an_answer_names_its_sources_and_quotes_them_exactly(demo: Running) -> None:
    with demo.client() as client:
        answer = client.post("/api/query", json={"query": HOTEL}).json()
        assert answer["found"]
        assert "150 EUR" in answer["answer"]
        assert answer["conflict"]
        for source in answer["sources"]:
            assert f"[{source['number']}]" in answer["answer"]
            assert 0 <= source["relevance_score"] <= 1
            document = client.get(f"/api/documents/{quote(source['document'], safe='')}").json()
            assert document["text"][source["start"] : source["end"]] == source["snippet"]
            assert document["source_type"] == source["source_type"]
        assert {state["source"] for state in answer["coverage"]} == {"handbook", "chat", "product"}
        assert datetime.fromisoformat(answer["timestamp"]).tzinfo == UTC
        assert answer["index_version"]


def test_a_search_finds_passages_best_first(demo: Running) -> None:
    with demo.client() as client:
        found = client.post("/api/search", json={"query": "hotel limit", "top_k": 5, "mode": "lexical"}).json()
        scores = [hit["relevance_score"] for hit in found["hits"]]
        assert len(scores) == 5
        assert scores == sorted(scores, reverse=True)
        assert scores[0] < 1
        hit = found["hits"][0]
        document = client.get(f"/api/documents/{quote(hit['document'], safe='')}").json()
        assert document["text"][hit["start"] : hit["end"]] == hit["text"]
        assert hit["container_name"]


def test_filters_narrow_what_is_found(demo: Running) -> None:
    def sources(**filters: Any) -> set[str]:
        with demo.client() as client:
            found = client.post("/api/search", json={"query": "hotel limit", "top_k": 50, **filters})
            return {hit["source"] for hit in found.json()["hits"]}

    assert sources(source_filter=["handbook"]) == {"handbook"}
    assert sources(kinds=["conversation"]) == {"chat"}
    assert sources(containers=["#finance"]) == {"chat"}
    assert sources(since="2199-01-01") == set()
    assert sources(until="1999-01-01T00:00:00+09:00") == set()


def test_two_viewers_see_what_they_may_and_nothing_of_the_other(demo: Running, demo_hub: App) -> None:
    with demo.client(token(demo_hub, "group:staff")) as staff, demo.client(token(demo_hub, "group:finance")) as finance:
        old, new = (client.post("/api/query", json={"query": HOTEL}).json() for client in (staff, finance))
        assert {one["source"] for one in old["sources"]} == {"handbook"}
        assert {one["source"] for one in new["sources"]} == {"chat"}
        assert old["conflict"] == ""
        assert staff.get("/api/sources").json()["sources"].keys() == {"handbook"}
        assert [one["source"] for one in old["coverage"]] == ["handbook"]
        hidden = staff.get(f"/api/documents/{quote(new['sources'][0]['document'], safe='')}")
        absent = staff.get("/api/documents/chat%3Anothing")
        said = problem(hidden, 404)["detail"].replace(new["sources"][0]["document"], "chat:nothing")
        assert said == problem(absent, 404)["detail"]
        refused = [
            staff.post("/api/query", json={"query": HOTEL, "source_filter": [name]}) for name in ("chat", "none")
        ]
        details = [problem(one, 404)["detail"] for one in refused]
        assert details[0].replace("chat", "none") == details[1]


def test_only_administrators_see_coverage_and_the_schedule(demo: Running, demo_hub: App) -> None:
    with demo.client(token(demo_hub, "group:staff")) as staff, demo.client() as owner:
        (seen,) = staff.get("/api/sources").json()["details"]
        assert [seen[name] for name in ("coverage", "paused", "next_sync_at", "directory")] == [None] * 4
        overview = owner.get("/api/sources").json()
        coverage = {one["source"]: one["coverage"] for one in overview["details"]}
        assert coverage["handbook"]["searchable"] == coverage["handbook"]["expected"] == 26
        assert overview["total_documents"] == sum(overview["sources"].values())


ADMIN = [
    ("GET", "/api/runs"),
    ("GET", "/api/batches/failed"),
    ("POST", "/api/batches/reprocess"),
    ("GET", "/api/memberships"),
    ("POST", "/api/memberships/sync"),
    ("GET", "/api/keys"),
    ("POST", "/api/keys"),
    ("DELETE", "/api/keys/x"),
    ("GET", "/api/gaps"),
    ("GET", "/api/audit"),
    ("GET", "/api/visibility"),
    ("POST", "/api/sources/handbook/sync"),
    ("POST", "/api/sources/handbook/pause"),
    ("POST", "/api/sources/handbook/resume"),
]


@pytest.mark.parametrize(("method", "path"), ADMIN)
def test_what_is_for_administrators_is_refused_to_others(demo: Running, demo_hub: App, method: str, path: str) -> None:
    with demo.client(token(demo_hub, "group:staff")) as client:
        assert "admin" in problem(client.request(method, path), 403)["detail"]
    assert demo.beside.synced == []


def test_every_route_that_needs_an_administrator_is_tried_above(demo: Running) -> None:
    with demo.client() as client:
        paths = client.get("/api/openapi.json").json()["paths"]
    found = {
        (method.upper(), path)
        for path, methods in paths.items()
        for method, operation in methods.items()
        if operation["tags"] == ["administration"]
    }
    tried = {(method, path.replace("/handbook/", "/{name}/").replace("keys/x", "keys/{id}")) for method, path in ADMIN}
    assert found == tried


def test_a_key_is_shown_once_and_refused_once_revoked(demo: Running) -> None:
    with demo.client() as owner:
        made = owner.post("/api/keys", json={"name": "intranet", "principals": ["group:staff"]})
        assert made.status_code == 201
        key = made.json()
        listed = {one["id"]: one for one in owner.get("/api/keys").json()["keys"]}
        assert listed[key["id"]].keys() == key.keys() - {"secret"}
        with demo.client(key["secret"]) as client:
            me = client.get("/api/me").json()
            assert (me["mode"], me["scopes"]) == ("key", ["read"])
            assert owner.delete(f"/api/keys/{key['id']}").status_code == 204
            refused = client.get("/api/me")
            assert problem(refused, 401)
            assert refused.headers["www-authenticate"].startswith("Bearer")
        problem(owner.delete(f"/api/keys/{key['id']}"), 404)
        problem(owner.post("/api/keys", json={"name": "nobody's"}), 422)


@pytest.mark.parametrize("header", ["", "Bearer", "Basic YTpi", "Bearer kh_x", "Bearer a b", "kh_x"])
def test_a_bad_proof_is_refused_and_never_taken_for_none(demo: Running, header: str) -> None:
    with demo.client() as client:
        assert client.get("/api/me").status_code == 200
        problem(client.get("/api/me", headers={"authorization": header}), 401)


def test_a_cookie_that_does_not_hold_is_refused_and_taken_back(demo: Running) -> None:
    with demo.client() as client:
        refused = client.get("/api/me", headers={"cookie": "knowhub_session=forged"})
        problem(refused, 401)
        assert "Max-Age=0" in refused.headers["set-cookie"]


def test_whom_a_proxy_hands_on_is_not_taken_for_the_owner(demo: Running) -> None:
    with demo.client() as client:
        for name in ("X-Forwarded-For", "X-Forwarded-Proto", "Forwarded", "X-Real-IP", "Via", "CF-Connecting-IP"):
            problem(client.get("/api/me", headers={name: "203.0.113.7"}), 401)


def test_whom_a_silent_proxy_hands_on_is_not_taken_for_the_owner(serve: Serve) -> None:
    """One that adds no header: it passes on the name that people type, or speaks HTTP/1.0 (nginx, if told nothing)."""
    _, running = serve(server='allowed_hosts = ["hub.example"]')
    with running.client() as client:
        assert client.get("/api/me").json()["mode"] == "local"
        problem(client.get("/api/me", headers={"host": "hub.example"}), 401)
    with socket.create_connection(running.address) as raw:
        raw.sendall(b"GET /api/me HTTP/1.0\r\nHost: localhost\r\n\r\n")
        assert b" 401 " in raw.recv(65536).split(b"\r\n")[0]


def test_feedback_is_taken_from_who_asked_and_from_nobody_else(demo: Running, demo_hub: App) -> None:
    with demo.client(token(demo_hub, "group:staff")) as asker, demo.client(token(demo_hub, "group:staff")) as other:
        id = asker.post("/api/query", json={"query": "Who pays for the ferry?"}).json()["id"]
        said = {"id": id, "useful": False, "reason": "the old price"}
        stranger, nobody = other.post("/api/feedback", json=said), asker.post("/api/feedback", json={**said, "id": "x"})
        assert problem(stranger, 404)["detail"] == problem(nobody, 404)["detail"]
        assert asker.post("/api/feedback", json=said).status_code == 204


def test_what_was_shown_is_on_record_without_texts(demo: Running, demo_hub: App) -> None:
    with demo.client(token(demo_hub, "group:staff")) as staff, demo.client() as owner:
        name = staff.get("/api/me").json()["name"]
        shown = staff.post("/api/query", json={"query": HOTEL}).json()["sources"][0]["document"]
        staff.get(f"/api/documents/{quote(shown, safe='')}")
        entries = owner.get("/api/audit", params={"viewer": name}).json()["entries"]
        assert {one["surface"] for one in entries} == {"rest"}
        assert entries[0]["action"] == "read"
        assert {one["action"] for one in entries[1:]} == {"ask"}
        assert entries[0]["documents"] == [shown] == entries[-1]["documents"][:1]
        why = owner.get("/api/visibility", params={"viewer": "group:staff", "document": shown}).json()
        assert why["visible"]
        assert why["layers"][0]["chain"]
        why = owner.get("/api/visibility", params={"viewer": "group:finance", "document": shown}).json()
        assert not why["visible"]


def test_an_administrator_starts_syncs_and_sees_runs(demo: Running) -> None:
    with demo.client() as client:
        assert client.post("/api/sources/product/sync").json() == {"run": None}
        assert demo.beside.synced.pop() == "product"
        problem(client.post("/api/sources/nowhere/sync"), 404)
        assert client.post("/api/memberships/sync").status_code == 202
        runs = client.get("/api/runs", params={"source": "chat", "limit": 1}).json()["runs"]
        assert [(run["source"], run["state"]) for run in runs] == [("chat", "ok")]
        problem(client.get("/api/runs", params={"source": "nowhere"}), 404)
        assert client.get("/api/batches/failed").json() == {"batches": []}
        assert client.post("/api/batches/reprocess", json={}).json() == {"revived": 0}
        for move, paused in (("pause", True), ("resume", False)):
            assert client.post(f"/api/sources/chat/{move}").status_code == 204
            details = client.get("/api/sources").json()["details"]
            assert {one["source"]: one["paused"] for one in details}["chat"] is paused


# ── bad input ────────────────────────────────────────────────────────────────────────────────────────

JSON = {"content-type": "application/json"}
UNREADABLE = {
    "empty braces cut": b'{"query": "x"',
    "binary": bytes(range(256)),
    "invalid UTF-8": b'{"query": "\xff\xfe"}',
    "UTF-8 of a surrogate": b'{"query": "\xed\xa0\x80"}',
    "UTF-16": '{"query": "x"}'.encode("utf-16"),
    "deep": b"[" * 100_000,
    "deep object": b'{"query":' * 20_000,
    "a key twice": b'{"query": "a", "query": "b"}',
    "NaN": b'{"query": "a", "top_k": NaN}',
    "huge number": b'{"query": "a", "top_k": ' + b"9" * 5000 + b"}",
    "two documents": b'{"query": "a"} {"query": "b"}',
}


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE)
@pytest.mark.parametrize("path", ["/api/query", "/api/search", "/api/feedback"])
def test_a_body_that_is_not_json_is_refused(demo: Running, path: str, body: bytes) -> None:
    with demo.client() as client:
        problem(client.post(path, content=body, headers=JSON), 400)


WRONG = {
    "no query": ({}, "query"),
    "an empty one": ({"query": ""}, "query"),
    "blanks": ({"query": " \t\n　"}, "query"),
    "over-long": ({"query": "x" * 4001}, "query"),
    "a number": ({"query": 7}, "query"),
    "a lone surrogate": ({"query": "a\ud800b"}, "query"),
    "top_k too large": ({"query": "x", "top_k": 51}, "top_k"),
    "top_k as text": ({"query": "x", "top_k": "5"}, "top_k"),
    "top_k as truth": ({"query": "x", "top_k": True}, "top_k"),
    "top_k huge": ({"query": "x", "top_k": 10**400}, "top_k"),
    "an unknown field": ({"query": "x", "sources": ["chat"]}, "sources"),
    "an unknown kind": ({"query": "x", "kinds": ["film"]}, "kinds.0"),
    "a source that is a number": ({"query": "x", "source_filter": [1]}, "source_filter.0"),
    "not a list": ({"query": "x", "source_filter": "chat"}, "source_filter"),
    "too many": ({"query": "x", "authors": ["a"] * 101}, "authors"),
    "not a time": ({"query": "x", "since": "yesterday"}, "since"),
    "a time as a number": ({"query": "x", "since": 1}, "since"),
    "no such day": ({"query": "x", "until": "2026-02-30"}, "until"),
    "no offset": ({"query": "x", "until": "2026-02-03T10:00:00"}, "until"),
    "a turn without a question": ({"query": "x", "conversation": [{"answer": "y"}]}, "conversation.0.question"),
    "too many turns": ({"query": "x", "conversation": [{"question": "y"}] * 21}, "conversation"),
    "a list": ([], ""),
    "null": (None, ""),
}


@pytest.mark.parametrize(("body", "field"), WRONG.values(), ids=WRONG)
def test_a_wrong_field_is_named_and_not_repeated(demo: Running, body: Any, field: str) -> None:
    with demo.client() as client:
        found = problem(client.post("/api/query", content=json.dumps(body), headers=JSON), 422)
    assert [error["field"] for error in found["errors"]] == [field]
    assert found["detail"].startswith(field or "The body")
    assert "yesterday" not in found["detail"]


def test_an_empty_body_and_a_wrong_content_type_are_told_apart(demo: Running) -> None:
    with demo.client() as client:
        assert problem(client.post("/api/query"), 422)["errors"][0]["message"] == "is missing."
        for kind in ("text/plain", "application/x-www-form-urlencoded", "", "application/jsonp"):
            problem(client.post("/api/query", content=b'{"query": "x"}', headers={"content-type": kind}), 415)
        fine = {"content-type": "Application/JSON; charset=utf-8"}
        assert client.post("/api/search", content=b'{"query": "x"}', headers=fine).status_code == 200


ODD = [
    "مرحبا \u202e كيف",
    "a\x00b",
    "<script>alert(1)</script>",
    "' OR 1=1 --",
    "\"'`; DROP TABLE chunks",
    "%00%0d%0a",
    "{{7*7}} ${7*7}",
    "🦭" * 2000,
    "x" * 4000,
    "\U000e0041\u200b\ufeff",
    "AND OR NOT * ( ) ~ ^ : / \\",
    "日本語の質問ですか？",
]


@pytest.mark.parametrize("text", ODD)
def test_odd_questions_are_answered_like_others(demo: Running, text: str) -> None:
    with demo.client() as client:
        body = {"query": text, "conversation": [{"question": text, "answer": text}], "authors": [text[:200]]}
        response = client.post("/api/query", json=body)
        assert response.status_code == 200
        assert response.json()["query"] == text
        assert client.post("/api/search", json={"query": text}).status_code == 200


@pytest.mark.parametrize(
    "id", ["", "%00", "..%2F..%2Fetc%2Fpasswd", "handbook%3A", "%FF%FE", "a" * 5000, "chat:x%3Fy%23z", "%F0%9F%A6%AD"]
)
def test_odd_ids_of_documents_name_nothing(demo: Running, id: str) -> None:
    with demo.client() as client:
        assert client.get(f"/api/documents/{id}").status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("GET", "/api/query", "POST"), ("DELETE", "/api/search", "POST"), ("POST", "/api/sources", "GET")],
)
def test_a_method_that_a_path_does_not_take_is_refused(demo: Running, method: str, path: str, allowed: str) -> None:
    with demo.client() as client:
        refused = client.request(method, path)
        problem(refused, 405)
        assert refused.headers["allow"] == allowed


@pytest.mark.parametrize("path", ["/nothing", "/api/nothing", "/api", "/assets/../app.py", "/assets/%2e%2e%2fapp.py"])
def test_what_is_not_there_is_not_found(demo: Running, path: str) -> None:
    with demo.client() as client:
        assert client.get(path).status_code == 404


def test_a_stream_of_a_real_answer_ends_with_what_json_gives(demo: Running, demo_hub: App) -> None:
    with demo.client(token(demo_hub, "group:finance")) as client:
        asked = {"query": "Who approves travel to a fair?"}
        with client.stream("POST", "/api/query", json=asked, headers=STREAM) as response:
            found = list(events(response))
        names = [name for name, _ in found]
        assert names[0] == "status"
        assert names.index("citations") < names.index("done") == len(names) - 1
        assert "".join(data["text"] for name, data in found if name == "delta") == found[-1][1]["answer"]
        assert client.post("/api/query", json=asked).json() == found[-1][1]
