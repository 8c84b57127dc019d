from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from knowhub.core.errors import (
    AccessDenied,
    ConfigurationError,
    KnowhubError,
    MissingExtra,
    PermanentError,
    RateLimited,
    TransientError,
)
from knowhub.reranking.bedrock import BedrockReranker
from tests.reranking.services import Bedrock, refused
from tests.servers.kit import Answer

pytest.importorskip("boto3", reason="boto3 comes with the llm extra")

QUESTION = "hotel limit per night"
PASSAGES = ["nothing of it", "the hotel limit per night is 150", "a hotel"]
MODEL = "cohere.rerank-v3-5:0"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bedrock]:
    for name in ("AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDTEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent/config")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/credentials")
    with Bedrock() as server:
        yield server


def made(server: Bedrock, model: str = MODEL, region: str = "eu-central-1") -> BedrockReranker:
    return BedrockReranker(model, region=region, base_url=server.url)


def test_all_pages_of_scores_are_read_into_the_order_of_the_passages(server: Bedrock) -> None:
    assert made(server).scores(QUESTION, PASSAGES) == [0.0, 1.0, 0.25]
    assert [asked.path for asked in server.log] == ["/rerank", "/rerank"]


def test_a_model_may_be_named_by_its_arn(server: Bedrock) -> None:
    assert made(server, Bedrock.arn).scores(QUESTION, ["a hotel"]) == [0.25]


def test_no_passages_ask_nobody(server: Bedrock) -> None:
    assert made(server).scores(QUESTION, []) == []
    assert server.log == []


def test_texts_beyond_what_the_service_takes_are_cut_and_empty_ones_replaced(server: Bedrock) -> None:
    assert made(server).scores(QUESTION, ["hotel " * 9_000, "", "limit"]) == [0.25, 0.0, 0.25]


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (refused(403, "AccessDeniedException"), AccessDenied, "bedrock:Rerank"),
        (refused(404, "ResourceNotFoundException"), PermanentError, "reranking.model"),
        (refused(400, "ValidationException", f"{QUESTION} {PASSAGES}"), PermanentError, "ValidationException"),
    ],
)
def test_refusals_say_what_to_do_and_not_what_was_asked(
    server: Bedrock, answer: Answer, kind: type[KnowhubError], words: str
) -> None:
    server.forced = [answer]
    with pytest.raises(kind, match=words) as raised:
        made(server).scores(QUESTION, PASSAGES)
    assert "hotel" not in f"{raised.value} {raised.value.__cause__}"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [(refused(429, "ThrottlingException"), RateLimited), (refused(500, "InternalServerException"), TransientError)],
)
def test_what_passes_by_itself_is_tried_twice(
    server: Bedrock, answer: Answer, kind: type[KnowhubError], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda seconds: None)
    server.forced = [answer]
    assert made(server).scores(QUESTION, ["a hotel"]) == [0.25]
    server.forced = [answer] * 2
    with pytest.raises(kind):
        made(server).scores(QUESTION, ["a hotel"])


def test_a_server_that_is_not_there_is_transient(server: Bedrock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda seconds: None)
    gone = BedrockReranker(MODEL, region="eu-central-1", base_url="http://127.0.0.1:9")
    with pytest.raises(TransientError, match="no answer"):
        gone.scores(QUESTION, PASSAGES)


def test_without_credentials_the_sentence_says_so(server: Bedrock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(AccessDenied, match="no AWS credentials"):
        made(server).scores(QUESTION, PASSAGES)


def test_without_a_region_the_setting_is_named(server: Bedrock) -> None:
    with pytest.raises(ConfigurationError, match=r"Set reranking\.region"):
        made(server, region="").scores(QUESTION, PASSAGES)


def test_without_boto3_the_extra_is_named(server: Bedrock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(MissingExtra, match=r"knowhub\[llm\]"):
        made(server).scores(QUESTION, PASSAGES)
