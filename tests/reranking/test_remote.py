from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from knowhub.core.errors import (
    AccessDenied,
    ConfigurationError,
    KnowhubError,
    PermanentError,
    RateLimited,
    TransientError,
)
from knowhub.core.ports import Reranker
from knowhub.core.secret import Secret
from knowhub.reranking.cohere import CohereReranker
from knowhub.reranking.voyage import VoyageReranker
from tests.reranking.services import KEY, Cohere, JsonService, Voyage
from tests.servers.kit import Answer

QUESTION = "hotel limit per night"
PASSAGES = ["nothing of it", "the hotel limit per night is 150", "a hotel"]

Made = tuple[JsonService, Callable[..., Reranker]]


@pytest.fixture(params=["cohere", "voyage"])
def made(request: pytest.FixtureRequest) -> Iterator[Made]:
    with ExitStack() as stack:
        server = stack.enter_context(Cohere() if request.param == "cohere" else Voyage())
        kind = CohereReranker if request.param == "cohere" else VoyageReranker

        def make(model: str = "rerank-x", key: str = KEY) -> Reranker:
            return kind(model, Secret(key), base_url=server.url, clock=server.clock)

        yield server, make


def test_each_passage_gets_its_own_score_whatever_the_order_of_the_answer(made: Made) -> None:
    server, make = made
    assert make().scores(QUESTION, PASSAGES) == [0.0, 1.0, 0.25]
    (asked,) = server.log
    assert (asked.method, asked.path) == ("POST", server.path)
    assert asked.json == {"model": "rerank-x", "query": QUESTION, "documents": PASSAGES}


def test_no_passages_ask_nobody(made: Made) -> None:
    server, make = made
    assert make().scores(QUESTION, []) == []
    assert server.log == []


def test_an_empty_passage_does_not_cost_the_others_their_scores(made: Made) -> None:
    _, make = made
    assert make().scores(QUESTION, ["", "a hotel", " \n"]) == [0.0, 0.25, 0.0]


def test_a_refused_key_names_the_setting_and_not_the_key(made: Made) -> None:
    _, make = made
    with pytest.raises(AccessDenied, match=r"the key is refused\. Set reranking\.key") as raised:
        make(key="wrong-key").scores(QUESTION, PASSAGES)
    assert "wrong-key" not in str(raised.value)


def test_an_unknown_model_is_named(made: Made) -> None:
    _, make = made
    with pytest.raises(ConfigurationError, match="no model rerank-9"):
        make("rerank-9").scores(QUESTION, PASSAGES)


def test_no_model_is_refused_before_anything_is_sent(made: Made) -> None:
    server, make = made
    with pytest.raises(ConfigurationError, match=r"reranking\.model is empty"):
        make("")
    assert server.log == []


def test_a_service_that_asks_for_much_patience_gets_none(made: Made) -> None:
    server, make = made
    server.forced = [Answer({"message": "slow down"}, 429, {"Retry-After": "30"})] * 2
    with pytest.raises(RateLimited) as raised:
        make().scores(QUESTION, PASSAGES)
    assert raised.value.wait_s == 30
    assert server.clock.slept_s == 0


def test_a_short_wait_is_waited_for(made: Made) -> None:
    server, make = made
    server.forced = [Answer({"message": "slow down"}, 429, {"Retry-After": "1"})]
    assert make().scores(QUESTION, PASSAGES) == [0.0, 1.0, 0.25]


def test_one_failure_of_the_service_is_forgiven_and_two_are_reported(made: Made) -> None:
    server, make = made
    server.forced = [Answer({"message": "oops"}, 500)]
    assert make().scores(QUESTION, PASSAGES) == [0.0, 1.0, 0.25]
    server.forced = [Answer({"message": "oops"}, 500)] * 2
    with pytest.raises(TransientError, match="500"):
        make().scores(QUESTION, PASSAGES)


ROWS = [{"index": 0, "relevance_score": 0.5}, {"index": 1, "relevance_score": 0.4}]


@pytest.mark.parametrize(
    "rows",
    [
        ROWS,
        [*ROWS, {"index": 3, "relevance_score": 0.1}],
        [*ROWS, {"index": 1, "relevance_score": 0.1}],
        [*ROWS, {"index": 2, "relevance_score": "high"}],
        [*ROWS, {"index": 2, "relevance_score": float("nan")}],
        [*ROWS, {"index": "2", "relevance_score": 0.1}],
        [*ROWS, None],
        "none",
        None,
    ],
)
def test_an_answer_that_is_not_one_score_a_passage_is_refused(made: Made, rows: object) -> None:
    server, make = made
    server.forced = [Answer({"results": rows, "data": rows})]
    with pytest.raises(TransientError, match="scores came for 3 passages"):
        make().scores(QUESTION, PASSAGES)


def test_an_answer_that_is_no_object_is_refused(made: Made) -> None:
    server, make = made
    server.forced = [Answer([1, 2, 3])]
    with pytest.raises(TransientError):
        make().scores(QUESTION, PASSAGES)


@pytest.mark.parametrize("status", [400, 401, 404, 422, 429, 500])
def test_what_was_asked_is_in_no_error_and_no_log(made: Made, status: int, caplog: pytest.LogCaptureFixture) -> None:
    server, make = made
    said = {"message": f"cannot take {QUESTION!r} with {PASSAGES}", "detail": f"cannot take {QUESTION!r}"}
    server.forced = [Answer(said, status, {"Retry-After": "60"} if status == 429 else {})] * 2
    with caplog.at_level(logging.WARNING), pytest.raises(KnowhubError) as raised:
        make().scores(QUESTION, PASSAGES)
    assert isinstance(raised.value, PermanentError | TransientError)
    told = f"{raised.value!r} {raised.value} {raised.value.__cause__} {caplog.text}"
    assert "hotel" not in told
    assert KEY not in told
    assert raised.value.cure
