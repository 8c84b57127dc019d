from __future__ import annotations

import logging
import random
from collections.abc import Iterator
from datetime import timedelta
from email.utils import format_datetime

import pytest

from knowhub.core.errors import NotFound, RateLimited
from knowhub.core.secret import Secret
from knowhub.http import (
    Auth,
    Http,
    Missing,
    Pace,
    Refused,
    Rejected,
    TooLarge,
    Unavailable,
    Undecodable,
    basic,
    bearer,
    header,
    linked_pages,
    query,
    unrepeated,
)
from tests.servers.kit import Answer, Asked, Limit, SimulatedApi, VirtualClock, Weather

TOKEN = "s3cr3t/with+signs"


class Echo(SimulatedApi):
    """Answers with what is scripted for a path, else with what it was asked."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(clock)
        self.script: dict[str, list[Answer]] = {}

    def answer(self, asked: Asked) -> Answer:
        waiting = self.script.get(asked.path)
        if waiting:
            return waiting.pop(0) if waiting[1:] else waiting[0]
        return Answer({"path": asked.path, "query": dict(asked.query), "headers": dict(asked.headers),
                       "sent": asked.body.decode()})  # fmt: skip


@pytest.fixture
def api() -> Iterator[Echo]:
    with Echo(VirtualClock()) as server:
        yield server


def client(api: Echo, **options: object) -> Http:
    return Http(api.url + "/api", clock=api.clock, **options)  # type: ignore[arg-type]  # tests pass what Http takes


def test_parameters_are_sent_as_apis_expect_them(api: Echo) -> None:
    said = client(api).get("things", {"q": "a b&c", "none": None, "yes": True, "ids": [1, 2]}).data
    assert said["path"] == "/api/things"
    assert said["query"] == {"q": ["a b&c"], "yes": ["true"], "ids": ["1", "2"]}


@pytest.mark.parametrize("path", ["a/../b", "../b", "a/%2e%2e/b", "a/.%2E/b", "a/./b"])
def test_a_path_that_climbs_is_not_asked_for(api: Echo, path: str) -> None:
    for target in (path, f"{api.url}/api/{path}"):
        with pytest.raises(NotFound, match="leads nowhere"):
            client(api).get(target)
    assert api.log == []


@pytest.mark.parametrize("url", ["https://a:b:c/f", "https://x.example:99999999/f", "http://[::1/f", "https:///f"])
def test_what_is_no_address_is_one_sentence(api: Echo, url: str) -> None:
    with pytest.raises((NotFound, Unavailable), match="f"):
        client(api, attempts=1).download(url, max_bytes=9)


def test_bodies_are_posted_as_json_or_as_a_form(api: Echo) -> None:
    http = client(api)
    assert http.post("things", json={"a": 1}).data["sent"] == '{"a":1}'
    assert http.post("things", form={"a": "1 2"}).data["sent"] == "a=1+2"


@pytest.mark.parametrize(
    ("auth", "name", "value"),
    [
        (bearer(Secret(TOKEN)), "authorization", f"Bearer {TOKEN}"),
        (header("PRIVATE-TOKEN", Secret(TOKEN)), "private-token", TOKEN),
        (basic("ann", Secret("pass")), "authorization", "Basic YW5uOnBhc3M="),
    ],
)
def test_credentials_are_added_to_every_request(api: Echo, auth: object, name: str, value: str) -> None:
    assert client(api, auth=auth).get("x").data["headers"][name] == value


def test_a_key_in_the_query_reaches_the_server_and_no_log(api: Echo, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        said = client(api, auth=query("apiKey", Secret(TOKEN))).get("x", {"a": 1}).data
    assert said["query"] == {"a": ["1"], "apiKey": [TOKEN]}
    assert "/api/x" in caplog.text
    assert TOKEN not in caplog.text
    assert "s3cr3t" not in caplog.text


def test_credentials_do_not_follow_a_redirect_to_another_place(api: Echo) -> None:
    with Echo(api.clock) as elsewhere:
        api.script["/api/file"] = [Answer(status=302, headers={"Location": f"{elsewhere.url}/bytes"})]
        elsewhere.script["/bytes"] = [Answer(body=b"bytes", content_type="text/plain")]
        got = client(api, auth=bearer(Secret(TOKEN))).download("file", max_bytes=100)
        assert (got.data, got.content_type) == (b"bytes", "text/plain")
        assert "authorization" not in elsewhere.log[0].headers
        assert "authorization" in api.log[0].headers


def test_credentials_go_to_trusted_places_too(api: Echo) -> None:
    with Echo(api.clock) as files:
        http = client(api, auth=bearer(Secret(TOKEN)), trusted=[files.url])
        http.get(f"{files.url}/f")
        assert files.log[0].headers["authorization"] == f"Bearer {TOKEN}"


def test_a_token_that_is_renewed_is_used_at_once(api: Echo) -> None:
    tokens = iter(["old", "new"])
    http = client(api, auth=lambda: Auth(headers={"Authorization": next(tokens)}))
    assert [http.get("x").data["headers"]["authorization"] for _ in range(2)] == ["old", "new"]


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, Refused), (403, Refused), (404, Missing), (410, Missing), (400, Rejected), (422, Rejected)],
)
def test_a_refusal_is_an_error_that_names_place_status_and_what_was_said(
    api: Echo, status: int, kind: type[Exception]
) -> None:
    api.script["/api/p/4"] = [Answer({"message": f"no {TOKEN} here"}, status)]
    with pytest.raises(kind) as caught:
        client(api, auth=bearer(Secret(TOKEN))).get("p/4", {"a": "b"})
    assert str(caught.value).startswith(f"GET /p/4?a=b: {status}, no *** here")
    assert len(api.log) == 1


def test_a_status_that_is_allowed_for_is_a_reply(api: Echo) -> None:
    api.script["/api/x"] = [Answer({"message": "gone"}, 404)]
    assert client(api).get("x", allow=(404,)).status == 404


def test_an_entity_tag_makes_a_request_conditional(api: Echo) -> None:
    api.script["/api/x"] = [Answer([1], headers={"ETag": '"v1"'}), Answer(status=304)]
    first = client(api).get("x")
    again = client(api).get("x", etag=first.etag)
    assert (first.data, again.status, again.data) == ([1], 304, None)
    assert api.log[1].headers["if-none-match"] == '"v1"'


def test_in_any_weather_the_answer_arrives_whole(api: Echo) -> None:
    api.weather = Weather(random.Random(1), chance=0.6)
    http = client(api)
    for number in range(150):
        assert http.get("x", {"n": number}).data["query"] == {"n": [str(number)]}


def test_a_server_that_stays_away_is_one_sentence(api: Echo) -> None:
    api.script["/api/x"] = [Answer({"message": "broken"}, 500)]
    with pytest.raises(Unavailable, match=r"^GET /x: 500, broken\. Sync again later"):
        client(api).get("x")
    assert len(api.log) == 6
    assert 20 < api.clock.slept_s < 120


def test_a_page_that_is_no_json_is_asked_for_again_and_then_named(api: Echo) -> None:
    page = Answer(body=b"<html><title>Log in to Acme</title></html>", content_type="text/html")
    api.script["/api/x"] = [page]
    with pytest.raises(Undecodable, match=r"GET /x: the answer is not JSON \(Log in to Acme\)"):
        client(api).get("x", attempts=2)
    assert len(api.log) == 2


def test_a_host_that_does_not_exist_is_one_sentence(api: Echo) -> None:
    with pytest.raises(Unavailable, match="GET /x: "):
        Http("http://127.0.0.1:9", clock=api.clock, attempts=2).get("x")


# ── limits ───────────────────────────────────────────────────────────────────────────────────────────


def waited(api: Echo, *answers: Answer) -> float:
    api.script["/api/x"] = [*answers, Answer({"ok": True})]
    assert client(api).get("x").data == {"ok": True}
    return api.clock.slept_s


def test_retry_after_is_kept_in_seconds_and_as_a_date(api: Echo) -> None:
    assert waited(api, Answer({}, 429, {"Retry-After": "17"})) == pytest.approx(17)
    date = format_datetime(api.clock.now() + timedelta(seconds=40), usegmt=True)
    assert waited(api, Answer({}, 429, {"Retry-After": date})) == pytest.approx(17 + 40)


def test_a_server_that_says_when_it_will_be_back_is_left_alone_until_then(api: Echo) -> None:
    assert waited(api, Answer({}, 503, {"Retry-After": "600"})) == pytest.approx(600)
    assert len(api.log) == 2


def test_an_exhausted_limit_is_waited_for_before_it_is_refused(api: Echo) -> None:
    reset = str(int(api.clock.now().timestamp()) + 90)
    api.script["/api/x"] = [Answer([], headers={"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset}), Answer([])]
    http = client(api)
    http.get("x")
    assert api.clock.slept_s == 0
    http.get("x")
    assert api.clock.slept_s == pytest.approx(90)


def test_a_reset_is_read_against_the_clock_of_the_server(api: Echo) -> None:
    """Ours is an hour slow: waiting an hour and a half would be wrong."""
    theirs = api.clock.now() + timedelta(hours=1)
    headers = {"Date": format_datetime(theirs, usegmt=True), "X-RateLimit-Remaining": "0",
               "X-RateLimit-Reset": str(int(theirs.timestamp()) + 30)}  # fmt: skip
    assert waited(api, Answer({}, 429, headers)) == pytest.approx(30)


@pytest.mark.parametrize("status", [429, 503])
def test_the_reset_of_a_limit_that_is_not_used_up_is_not_waited_for(api: Echo, status: int) -> None:
    reset = str(int(api.clock.now().timestamp()) + 3000)
    headers = {"X-RateLimit-Remaining": "4000", "X-RateLimit-Reset": reset}
    assert waited(api, Answer({}, status, headers)) < 10


def test_a_refusal_without_a_word_backs_off_further_each_time(api: Echo) -> None:
    assert 4 < waited(api, Answer({}, 429), Answer({}, 429), Answer({}, 429)) <= 14


def test_a_vendors_own_way_to_refuse_is_understood(api: Echo) -> None:
    api.script["/api/x"] = [Answer({"ok": False, "wait": 12}), Answer({"ok": True})]
    limit_of = lambda reply: None if reply.data["ok"] else float(reply.data["wait"])  # noqa: E731  # one line says it
    assert client(api, limit_of=limit_of).get("x").data == {"ok": True}
    assert api.clock.slept_s == pytest.approx(12)


def test_patience_ends_with_the_time_that_is_missing(api: Echo) -> None:
    api.script["/api/x"] = [Answer({}, 429, {"Retry-After": "3000"})]
    with pytest.raises(RateLimited) as caught:
        client(api, patience_s=7000).get("x")
    assert caught.value.wait_s == 3000
    assert len(api.log) == 3


@pytest.mark.parametrize("per_minute", [20, 50, 900])
@pytest.mark.parametrize("latency_s", [0.0, 0.05])
def test_a_configured_rate_is_used_to_nine_tenths_and_never_refused(
    api: Echo, per_minute: int, latency_s: float
) -> None:
    api.limit, api.latency_s = Limit(api.clock, per_minute), latency_s
    http, start = client(api, pace=Pace(api.clock, per_minute)), api.clock.now()
    for _ in range(per_minute * 3):
        http.get("x")
    minutes = (api.clock.now() - start).total_seconds() / 60
    assert api.limit.refused == 0
    assert per_minute * 3 / minutes >= 0.9 * per_minute


@pytest.mark.parametrize("per_minute", [20, 300])
def test_an_unknown_rate_is_used_to_nine_tenths_with_one_refusal_at_a_time(api: Echo, per_minute: int) -> None:
    api.limit, api.latency_s = Limit(api.clock, per_minute), 0.01
    http, start = client(api), api.clock.now()
    for _ in range(per_minute * 5):
        http.get("x")
    minutes = (api.clock.now() - start).total_seconds() / 60
    assert per_minute * 5 / minutes >= 0.9 * per_minute
    assert api.limit.refused <= per_minute * 5 / 20


def test_buckets_wait_each_for_themselves(api: Echo) -> None:
    http = client(api, pace=Pace(api.clock, buckets={"search": 6}))
    for _ in range(3):
        http.get("x", bucket="read")
    assert api.clock.slept_s == 0
    for _ in range(3):
        http.get("x", bucket="search")
    assert 20 <= api.clock.slept_s <= 21


# ── files and pages ──────────────────────────────────────────────────────────────────────────────────


def test_a_file_beyond_the_limit_is_not_read(api: Echo) -> None:
    api.script["/api/f"] = [Answer(body=b"x" * 1000, content_type="application/pdf")]
    with pytest.raises(TooLarge, match="more than 999 bytes"):
        client(api).download("f", max_bytes=999)
    assert len(client(api).download("f", max_bytes=1000).data) == 1000


def test_a_signed_address_is_in_no_error_and_no_log(api: Echo, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), Echo(api.clock) as elsewhere:
        elsewhere.script["/f"] = [Answer(status=404)]
        api.script["/api/f"] = [Answer(status=302, headers={"Location": f"{elsewhere.url}/f?signature=abc"})]
        for place in (f"{elsewhere.url}/f?signature=abc", f"{api.url}/api/g?signature=abc", "f"):
            api.script["/api/g"] = [Answer(status=404)]
            with pytest.raises(Missing) as caught:
                client(api).download(place, max_bytes=9)
            assert "signature" not in str(caught.value)
    assert "signature" not in caplog.text
    assert f"{elsewhere.url}/f" in caplog.text


def test_linked_pages_are_followed_to_the_last_at_our_own_address(api: Echo) -> None:
    link = {
        "Link": '<https://other.example/api/x?page=2>; rel="next", <https://other.example/api/x?page=9>; rel="last"'
    }
    api.script["/api/x"] = [Answer([1], headers=link), Answer([2])]
    assert [page.data for page in linked_pages(client(api), "x")] == [[1], [2]]
    assert api.log[1].query == {"page": ["2"]}


def test_pages_that_run_in_a_circle_are_an_error(api: Echo) -> None:
    api.script["/api/x"] = [Answer([1], headers={"Link": '</api/x?page=2>; rel="next"'})]
    with pytest.raises(Undecodable, match="in a circle"):
        list(linked_pages(client(api), "x"))


def test_a_token_that_comes_twice_is_an_error() -> None:
    tokens = unrepeated(["a", "b", "a"], "GET /x")
    assert [next(tokens), next(tokens)] == ["a", "b"]
    with pytest.raises(Undecodable, match="came twice"):
        next(tokens)
