"""Every behaviour on all three wires, over real HTTP on loopback."""

from __future__ import annotations

import gc
import logging
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

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
from knowhub.core.ports import Said, Usage
from knowhub.core.secret import Secret
from knowhub.language.options import LanguageOptions
from knowhub.language.strands import StrandsModel
from tests.doubles.llm_wire import Broken, Gate, HangUp, Raw, Reply, Wire

pytest.importorskip("strands")

PROVIDERS = ("openai", "anthropic", "bedrock")
KEY = "sk-very-secret"
THROTTLED = {"openai": "rate_limit_exceeded", "anthropic": "rate_limit_error", "bedrock": "ThrottlingException"}
OVERLOADED = {"openai": "server_error", "anthropic": "overloaded_error", "bedrock": "throttlingException"}
REFUSED = {"openai": "invalid_api_key", "anthropic": "authentication_error", "bedrock": "UnrecognizedClientException"}
FORBIDDEN = {"openai": "permission_denied", "anthropic": "permission_error", "bedrock": "AccessDeniedException"}
UNKNOWN = {"openai": "model_not_found", "anthropic": "not_found_error", "bedrock": "ResourceNotFoundException"}


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    """One for all tests that leave no request half answered."""
    with Wire() as wire:
        yield wire
    gc.collect()  # what was dropped unclosed warns here


@pytest.fixture(autouse=True)
def _forget(wire: Wire) -> None:
    wire.requests.clear()


@pytest.fixture
def fresh() -> Iterator[Wire]:
    with Wire() as wire:
        yield wire


@pytest.fixture(scope="module", params=PROVIDERS)
def provider(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def model(wire: Wire, provider: str) -> Iterator[StrandsModel]:
    with closing(StrandsModel(options(provider, wire.url))) as model:
        yield model


def options(provider: str, url: str, **changes: object) -> LanguageOptions:
    made = LanguageOptions(
        provider=provider,  # type: ignore[arg-type] # one of the three
        model="eu.some-model-v1:0",
        key=Secret(KEY),
        base_url=f"{url}/v1" if url and provider == "openai" else url,
        region="eu-west-1" if provider == "bedrock" else "",
        timeout_s=10,
        backoff_s=0,
    )
    return replace(made, **changes)  # type: ignore[arg-type] # fields by name


def ask(model: StrandsModel, message: str = "How much?") -> list[Said | Usage]:
    return [piece for piece in model.write("Answer briefly.", message, max_tokens=99) if piece != Said("")]


def text(pieces: list[Said | Usage]) -> str:
    kept = ""
    for piece in pieces:
        if isinstance(piece, Said):
            kept = piece.text if piece.restart else kept + piece.text
    return kept


def error_of(model: StrandsModel) -> KnowhubError:
    with pytest.raises(KnowhubError) as raised:
        ask(model)
    return raised.value


# ── what it says ─────────────────────────────────────────────────────────────────────────────────────


def test_text_comes_in_pieces_and_usage_last(wire: Wire, model: StrandsModel) -> None:
    wire.script(Reply("The limit is 150 EUR [1].", usage=(321, 12)))
    pieces = ask(model)
    assert [piece.text for piece in pieces[:-1] if isinstance(piece, Said)] == [
        "The ", "limit ", "is ", "150 ", "EUR ", "[1].",
    ]  # fmt: skip
    assert pieces[-1] == Usage(321, 12)


def test_the_model_gets_instructions_message_name_and_limit(wire: Wire, model: StrandsModel) -> None:
    wire.script(Reply("Yes."))
    ask(model, "質問: いくら?")
    asked = wire.requests[0]
    assert (asked.system, asked.user) == ("Answer briefly.", "質問: いくら?")
    if asked.wire == "bedrock":
        assert "some-model-v1" in asked.path
        assert asked.body["inferenceConfig"] == {"maxTokens": 99}
    else:
        assert asked.body["model"] == "eu.some-model-v1:0"
        assert asked.body["max_tokens"] == 99
    assert KEY in asked.headers.get("authorization", "") + asked.headers.get("x-api-key", "")


def test_thoughts_are_not_said(wire: Wire, model: StrandsModel) -> None:
    wire.script(Reply("Yes.", thought="The user wants to know whether it is so."))
    assert text(ask(model)) == "Yes."


def test_calls_at_once_do_not_mix(wire: Wire, model: StrandsModel) -> None:
    wire.script(Reply("one two three"))
    said: list[str] = []
    threads = [threading.Thread(target=lambda: said.append(text(ask(model)))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said == ["one two three"] * 8


def test_each_length_of_answer_is_asked_for_as_given(wire: Wire, model: StrandsModel) -> None:
    for max_tokens in (10, 20, 10):
        list(model.write("", "x", max_tokens=max_tokens))
    limits = [asked.body.get("max_tokens") or asked.body["inferenceConfig"]["maxTokens"] for asked in wire.requests]
    assert limits == [10, 20, 10]


# ── what it survives ─────────────────────────────────────────────────────────────────────────────────


def test_a_throttled_call_is_made_again(wire: Wire, model: StrandsModel, provider: str) -> None:
    wire.script(Reply(status=429, code=THROTTLED[provider], headers={"retry-after": "0"}), Reply("Here."))
    pieces = ask(model)
    assert text(pieces) == "Here."
    assert not any(piece.restart for piece in pieces if isinstance(piece, Said))


def test_a_call_that_stays_throttled_says_so(wire: Wire, model: StrandsModel, provider: str) -> None:
    wire.script(Reply(status=429, code=THROTTLED[provider]))
    assert isinstance(error_of(model), RateLimited)
    assert len(wire.requests) == 3


@pytest.mark.parametrize("provider", ["openai", "anthropic"], indirect=True)  # Bedrock does not say how long to wait
def test_nobody_waits_for_minutes(wire: Wire, provider: str) -> None:
    wire.script(Reply(status=429, code=THROTTLED[provider], headers={"retry-after": "120"}), Reply("Here."))
    with closing(StrandsModel(options(provider, wire.url))) as model:
        error = error_of(model)
    assert isinstance(error, RateLimited)
    assert error.wait_s == 120


def test_text_before_a_failure_in_mid_stream_is_void(wire: Wire, model: StrandsModel, provider: str) -> None:
    wire.script(Reply(("The lim", Broken(OVERLOADED[provider]))), Reply("The limit is 150."))
    pieces = ask(model)
    assert pieces[:2] == [Said("The lim"), Said("", restart=True)]
    assert text(pieces) == "The limit is 150."


def test_a_connection_lost_in_mid_stream_is_tried_again(wire: Wire, model: StrandsModel) -> None:
    wire.script(Reply(("The lim", HangUp())), Reply("The limit is 150."))
    assert text(ask(model)) == "The limit is 150."


def test_a_connection_that_is_always_lost_is_an_error(wire: Wire, model: StrandsModel) -> None:
    wire.script(Reply(("The lim", HangUp())))
    assert isinstance(error_of(model), TransientError)
    assert len(wire.requests) == 3


@pytest.mark.parametrize(
    "garbage",
    [b"data: {not json}\n\n", b"data: []\n\n", b"\xff\xfe\x00\x00", b"<html>gateway</html>\n\n", b"data: 7\n\n"],
)
def test_events_that_make_no_sense_are_an_error_or_nothing(
    wire: Wire, model: StrandsModel, provider: str, garbage: bytes
) -> None:
    mark = b"event: content_block_delta\n" if provider == "anthropic" and garbage.startswith(b"data") else b""
    wire.script(Reply(("Yes. ", Raw(mark + garbage), "No.")))
    try:
        said = text(ask(model))
    except TransientError as error:
        said = f"Yes. {error}"
    assert re.match(r"Yes\. .*(cannot be read|broke off|No\.)", said)


def test_garbage_on_bedrocks_wire_is_an_error(wire: Wire) -> None:
    wire.script(Reply(("Yes. ", Raw(b"\0\0\0\x20\0\0\0\0garbage!garbage!garbage!"))))
    with closing(StrandsModel(options("bedrock", wire.url))) as model:
        assert "cannot be read" in str(error_of(model))


def test_silence_ends_in_an_error(fresh: Wire, provider: str) -> None:
    fresh.script(Reply((Gate(),)))
    with closing(StrandsModel(options(provider, fresh.url, timeout_s=0.05))) as model:
        error = error_of(model)
    assert isinstance(error, TransientError)
    assert "in time" in str(error)
    assert len(fresh.requests) <= 1, "a person waits: a silent model is not asked again"


def test_the_whole_call_has_an_end_too(fresh: Wire, provider: str) -> None:
    fresh.script(Reply(("One. ", Gate())))
    with closing(StrandsModel(options(provider, fresh.url, longest_s=0.3))) as model:
        assert "in time" in str(error_of(model))


# ── giving up ────────────────────────────────────────────────────────────────────────────────────────


def test_a_slow_first_word_leaves_room_to_give_up(fresh: Wire, provider: str) -> None:
    fresh.script(Reply((Gate(), "Too late.")))
    with closing(StrandsModel(options(provider, fresh.url, beat_s=0.01))) as model:
        pieces = iter(model.write("", "x", max_tokens=9))
        assert next(pieces) == Said("")
        assert fresh.waiting.wait(10)
        pieces.close()
        assert fresh.hung_up.wait(10), "the request itself must end"


def test_closing_after_some_words_ends_the_request(fresh: Wire, provider: str) -> None:
    fresh.script(Reply(("One. ", Gate(), "Two.")))
    with closing(StrandsModel(options(provider, fresh.url))) as model:
        pieces = model.write("", "x", max_tokens=9)
        assert next(piece for piece in pieces if piece != Said("")) == Said("One. ")
        assert fresh.waiting.wait(10)
        pieces.close()
        assert fresh.hung_up.wait(10)


@pytest.mark.parametrize("provider", ["openai", "anthropic"], indirect=True)  # Bedrock's client waits for the headers
def test_closing_before_any_answer_ends_the_request(fresh: Wire, provider: str) -> None:
    fresh.script(Reply("Yes.", silent=Gate()))
    with closing(StrandsModel(options(provider, fresh.url, beat_s=0.01))) as model:
        pieces = model.write("", "x", max_tokens=9)
        next(pieces)
        assert fresh.waiting.wait(10)
        pieces.close()
        assert fresh.hung_up.wait(10)


def test_closing_the_model_ends_what_is_under_way(fresh: Wire, provider: str) -> None:
    fresh.script(Reply(("One. ", Gate())))
    model = StrandsModel(options(provider, fresh.url))
    errors: list[KnowhubError] = []

    def read() -> None:
        try:
            ask(model)
        except KnowhubError as error:
            errors.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    assert fresh.waiting.wait(10)
    model.close()
    reader.join(10)
    assert isinstance(errors[0], TransientError)
    assert fresh.hung_up.wait(10)


def test_a_closed_model_can_be_asked_again(fresh: Wire, provider: str) -> None:
    fresh.script(Reply("Yes."))
    with closing(StrandsModel(options(provider, fresh.url))) as model:
        ask(model)
        model.close()
        assert text(ask(model)) == "Yes."


# ── what it cannot do ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("status", "codes", "kind", "cure"),
    [
        (401, REFUSED, AccessDenied, ("`key`", "AWS credentials")),
        (403, FORBIDDEN, AccessDenied, ("access to the model",)),
        (404, UNKNOWN, ConfigurationError, ("Set `model`",)),
        (418, dict.fromkeys(PROVIDERS, "teapot"), PermanentError, ("Check `model`",)),
        (500, dict.fromkeys(PROVIDERS, "InternalServerException"), TransientError, ("Ask again",)),
    ],
)
def test_a_refusal_is_one_sentence_with_its_cure(
    wire: Wire,
    model: StrandsModel,
    provider: str,
    status: int,
    codes: dict[str, str],
    kind: type[KnowhubError],
    cure: tuple[str, ...],
) -> None:
    wire.script(Reply(status=status, code=codes[provider], message=f"Incorrect key {KEY}; you asked How much?"))
    error = error_of(model)
    assert isinstance(error, kind)
    assert any(words in error.cure for words in cure)
    assert "some-model-v1" in error.message
    assert codes[provider] in error.message
    everything = f"{error!r} {error} {error.__cause__!r} {error.__context__!r}"
    assert KEY not in everything
    assert "How much" not in everything


def test_a_wrong_address_is_named_for_what_it_is(provider: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        with closing(StrandsModel(options(provider, f"http://127.0.0.1:{port}"))) as model:
            error = error_of(model)
    assert isinstance(error, TransientError)
    assert "nothing answers" in str(error)


def test_a_spent_quota_is_not_waited_for(wire: Wire) -> None:
    wire.script(Reply(status=429, code="insufficient_quota"))
    with closing(StrandsModel(options("openai", wire.url))) as model:
        assert isinstance(error_of(model), PermanentError)
    assert len(wire.requests) == 1


@pytest.mark.parametrize(
    ("message", "cure"),
    [
        ("The provided model identifier is invalid.", "an id that Bedrock offers"),
        ("Invocation of model ID x with on-demand throughput isn’t supported.", "inference profile"),
    ],
)
def test_bedrocks_ways_to_refuse_a_model_have_their_cures(wire: Wire, message: str, cure: str) -> None:
    wire.script(Reply(status=400, code="ValidationException", message=message))
    with closing(StrandsModel(options("bedrock", wire.url))) as model:
        error = error_of(model)
    assert isinstance(error, ConfigurationError)
    assert cure in error.cure


@pytest.mark.parametrize(
    ("provider_", "code", "message"),
    [
        ("openai", "context_length_exceeded", "This model's maximum context length is 8192 tokens."),
        ("anthropic", "invalid_request_error", "prompt is too long: 250000 tokens > 200000 maximum"),
        ("bedrock", "ValidationException", "Input is too long for requested model."),
    ],
)
def test_passages_that_are_too_long_are_named_as_such(wire: Wire, provider_: str, code: str, message: str) -> None:
    wire.script(Reply(status=400, code=code, message=message))
    with closing(StrandsModel(options(provider_, wire.url))) as model:
        assert "longer than" in str(error_of(model))


def test_redirects_are_not_followed_with_a_companys_text(wire: Wire) -> None:
    for provider in ("openai", "anthropic"):
        wire.script(Reply(status=307, headers={"location": f"{wire.url}/elsewhere/messages"}), Reply("Yes."))
        with closing(StrandsModel(options(provider, wire.url))) as model:
            assert "redirects" in str(error_of(model))
    assert not any("elsewhere" in asked.path for asked in wire.requests)


# ── configuration ────────────────────────────────────────────────────────────────────────────────────


def test_a_key_of_the_environment_never_reaches_another_server(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-environment")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-of-the-environment")
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "sk-of-the-environment")
    wire.script(Reply("Yes."))
    for provider in ("openai", "anthropic"):
        with closing(StrandsModel(options(provider, wire.url, key=None))) as model:
            ask(model)
    assert len(wire.requests) == 2
    assert "sk-of-the-environment" not in str([asked.headers for asked in wire.requests])


def test_without_key_or_server_of_ones_own_there_is_no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-environment")
    for provider in ("openai", "anthropic"):
        model = StrandsModel(options(provider, "", key=None, base_url=""))
        with pytest.raises(ConfigurationError, match=rf"env:{provider.upper()}_API_KEY"):
            model.write("", "x", max_tokens=9)


def test_bedrock_needs_a_region_and_names_no_default(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", f"{tmp_path}/none")
    model = StrandsModel(options("bedrock", "", region="", base_url=""))
    with pytest.raises(ConfigurationError, match="region"):
        model.write("", "x", max_tokens=9)


def test_bedrock_without_credentials_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: object, wire: Wire) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_BEARER_TOKEN_BEDROCK"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, f"{tmp_path}/none")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with closing(StrandsModel(options("bedrock", wire.url, key=None))) as model:
        error = error_of(model)
    assert isinstance(error, ConfigurationError)
    assert "credentials" in str(error)


@pytest.mark.parametrize("changes", [{"model": ""}, {"base_url": "localhost:11434"}])
def test_options_that_cannot_work_are_refused(changes: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="under \\[language\\]"):
        options("openai", "http://127.0.0.1", **changes)


def test_check_is_empty_or_one_sentence(wire: Wire, model: StrandsModel) -> None:
    wire.script(Reply("Yes."))
    assert model.check() == []
    wire.script(Reply(status=401, code="invalid_api_key"))
    assert len(model.check()) == 1


def test_openai_itself_is_told_the_limit_by_its_newer_name(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("knowhub.language.providers.OPENAI_URL", f"{wire.url}/v1")
    wire.script(Reply("Yes."))
    with closing(StrandsModel(options("openai", "", base_url=""))) as model:
        ask(model)
    assert wire.requests[0].body["max_completion_tokens"] == 99
    assert "max_tokens" not in wire.requests[0].body


def test_a_missing_extra_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    model = StrandsModel(options("openai", "http://127.0.0.1:1"))
    with pytest.raises(MissingExtra, match=r"pip install 'knowhub\[llm\]'"):
        model.write("", "x", max_tokens=9)


def test_nothing_heavy_is_imported_before_the_first_question() -> None:
    program = """
import sys
from knowhub.language.strands import StrandsModel
from knowhub.language.options import LanguageOptions
StrandsModel(LanguageOptions(provider="bedrock", model="m"))
print([name for name in ("strands", "boto3", "openai", "anthropic", "httpx") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_log_holds_key_question_or_answer(wire: Wire, model: StrandsModel, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    wire.script(Reply(status=500, message="about the merger"), Reply("The merger is off."))
    ask(model, "What about the merger?")
    told = " ".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)
    assert "asked again" in told
    assert "merger" not in told
    assert KEY not in told
