"""What a model's provider can raise, as our errors: what went wrong and what to do.

Providers quote prompts and keys in their messages, so none of their wording is passed on: only a status and a code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from knowhub.core.errors import (
    AccessDenied,
    ConfigurationError,
    KnowhubError,
    PermanentError,
    RateLimited,
    TransientError,
)

PATIENCE_S = 10.0
"""A provider that asks for a longer wait is not waited for: somebody sits before the answer."""

_THROTTLED = {
    "rate_limit_error", "rate_limit_exceeded", "overloaded_error", "throttlingexception", "toomanyrequestsexception",
    "servicequotaexceededexception",
}  # fmt: skip
_PASSING = {
    "api_error", "server_error", "timeout_error", "internalserverexception", "serviceunavailableexception",
    "modeltimeoutexception", "modelnotreadyexception", "modelerrorexception", "modelstreamerrorexception",
}  # fmt: skip
_SPENT = {"insufficient_quota", "billing_error"}
_BAD_KEY = {
    "authentication_error", "invalid_api_key", "unrecognizedclientexception", "invalidsignatureexception",
    "expiredtokenexception", "expiredtoken", "missingauthenticationtokenexception", "invalidclienttokenid",
    "incompletesignature",
}  # fmt: skip
_FORBIDDEN = {"permission_error", "accessdeniedexception"}
_UNKNOWN_MODEL = {"not_found_error", "model_not_found", "resourcenotfoundexception"}
_NO_CREDENTIALS = {
    "NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "ProfileNotFound",
    "TokenRetrievalError", "SSOError", "NoAuthTokenError",
}  # fmt: skip
_UNREACHED = {
    "ConnectError",
    "ConnectTimeout",
    "EndpointConnectionError",
    "ConnectTimeoutError",
    "ProxyConnectionError",
}
_BROKEN_OFF = {"APIConnectionError", "HTTPError", "HTTPClientError", "ConnectionError"}
_SILENT = {"TimeoutError", "APITimeoutError", "ReadTimeout", "ReadTimeoutError"}
_CODE = re.compile(r"[A-Za-z0-9_.-]{1,60}")


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked: the model of which provider, and where (`api.openai.com`, `eu-west-1`)."""

    provider: str
    model: str
    place: str

    @property
    def bedrock(self) -> bool:
        return self.provider == "bedrock"

    def __str__(self) -> str:
        return f"{self.model} at {self.place}"


@dataclass(frozen=True, slots=True)
class Refusal:
    """`again`: the same call may succeed in a moment, after `error.wait_s` where it is RateLimited."""

    error: KnowhubError
    again: bool = False


@dataclass(frozen=True, slots=True)
class _Symptom:
    """`status` 0: no HTTP status. `names` are the classes of the exception and of its causes."""

    status: int
    code: str
    names: frozenset[str]
    message: str
    wait_s: float

    @property
    def shown(self) -> str:
        """Status and code, as far as they are ones."""
        code = self.code if _CODE.fullmatch(self.code) else ""
        return ", ".join(part for part in (str(self.status or ""), code) if part) or "no reason given"


def understand(raised: Exception, asked: Asked) -> Refusal:
    """A vendor's exception in our words."""
    symptom = _symptom(raised)
    code, status = symptom.code.casefold(), symptom.status
    if "ContextWindowOverflowException" in symptom.names or status == 413:
        return Refusal(
            PermanentError(f"the passages are longer than {asked} can read", cure="Choose a model that reads more.")
        )
    if code in _SPENT:
        return Refusal(PermanentError(f"the quota for {asked} is spent ({symptom.shown})", cure="Top up the account."))
    if code in _THROTTLED or status in (429, 529) or "ModelThrottledException" in symptom.names:
        return _throttled(symptom, asked)
    if code in _PASSING or status >= 500 or status == 408:
        return Refusal(TransientError(f"{asked} failed ({symptom.shown})", cure="Ask again in a minute."), again=True)
    return Refusal(_refused(symptom, asked)) if status or code else _unanswered(symptom, asked)


def _throttled(symptom: _Symptom, asked: Asked) -> Refusal:
    error = RateLimited(
        f"{asked} is overloaded or limits this account ({symptom.shown})",
        wait_s=symptom.wait_s,
        cure="Ask again in a minute, or ask the provider for a higher limit.",
    )
    return Refusal(error, again=symptom.wait_s <= PATIENCE_S)


def _refused(symptom: _Symptom, asked: Asked) -> PermanentError:
    code, status = symptom.code.casefold(), symptom.status
    if code in _UNKNOWN_MODEL or status == 404 or "model identifier is invalid" in symptom.message:
        return ConfigurationError(f"there is no model {asked} ({symptom.shown})", cure=_model_cure(asked))
    if "on-demand throughput" in symptom.message:
        cure = "Set `model` under [language] to an inference profile: the id with `eu.`, `us.` or `global.` before it."
        return ConfigurationError(f"{asked} is not offered by its plain id", cure=cure)
    if code in _BAD_KEY or status == 401:
        cure = "Renew the AWS credentials." if asked.bedrock else "Check what `key` under [language] refers to."
        return AccessDenied(f"the credentials for {asked} are refused ({symptom.shown})", cure=cure)
    if code in _FORBIDDEN or status == 403:
        return AccessDenied(f"this account may not use {asked} ({symptom.shown})", cure=_access_cure(asked))
    if 300 <= status < 400:
        return ConfigurationError(f"{asked.place} redirects elsewhere", cure="Set `base_url` under [language] to that.")
    return PermanentError(
        f"{asked} refuses the request ({symptom.shown})", cure="Check `model` and `base_url` under [language]."
    )


def _unanswered(symptom: _Symptom, asked: Asked) -> Refusal:
    if symptom.names & _NO_CREDENTIALS:
        cure = "Set AWS credentials for this process: a role, a profile or AWS_ACCESS_KEY_ID."
        return Refusal(ConfigurationError("no AWS credentials were found for Bedrock", cure=cure))
    if symptom.names & _UNREACHED:
        cure = "Check the region, and that this network reaches it." if asked.bedrock else "Is the server running?"
        return Refusal(TransientError(f"nothing answers at {asked.place}", cure=cure))
    if symptom.names & _SILENT:
        cure = "Ask again, or raise `timeout_s` under [language]."
        return Refusal(TransientError(f"{asked} did not answer in time", cure=cure))
    if symptom.names & _BROKEN_OFF:
        return Refusal(TransientError(f"the connection to {asked} broke off", cure="Ask again."), again=True)
    cure = "Ask again; if it stays so, check that `provider` and `base_url` under [language] fit together."
    return Refusal(TransientError(f"the answer of {asked} cannot be read", cure=cure), again=True)


def _model_cure(asked: Asked) -> str:
    if asked.bedrock:
        return "Set `model` under [language] to an id that Bedrock offers in that region."
    return "Set `model` under [language] to an id that the server lists, and check `base_url`."


def _access_cure(asked: Asked) -> str:
    if asked.bedrock:
        return "Allow bedrock:InvokeModelWithResponseStream on it, and request access to the model in the console."
    return "Ask the account's owner for access to the model."


def _symptom(raised: Exception) -> _Symptom:
    chain = list(_causes(raised))
    details = [detail for error in chain if (detail := _details(error)) is not None]
    status, code, message, wait_s = details[0] if details else (0, "", "", 0.0)
    names = frozenset(cls.__name__ for error in chain for cls in type(error).__mro__)
    return _Symptom(status, code, names, message, wait_s)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _details(error: BaseException) -> tuple[int, str, str, float] | None:
    """HTTP status, the vendor's code, its message and the wait it asks for; None of an exception that has none."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):  # botocore's ClientError
        about = response.get("Error", {})
        return 0, str(about.get("Code", "")), str(about.get("Message", "")), 0.0
    status, body = getattr(error, "status_code", None), getattr(error, "body", None)
    if status is None and body is None:
        return None
    if isinstance(body, dict) and isinstance(body.get("error"), dict):  # Anthropic wraps it, OpenAI does not
        body = body["error"]
    about = body if isinstance(body, dict) else {}
    code = next((str(about[key]) for key in ("code", "type") if isinstance(about.get(key), str)), "")
    statuses = (status, about.get("code"))  # of a stream that failed later the first is 200
    status = next((number for number in statuses if isinstance(number, int) and number >= 300), 0)
    return status, code, str(about.get("message", "")), _wait_s(response)


def _wait_s(response: object) -> float:
    headers = getattr(response, "headers", {})
    try:
        return max(0.0, float(headers.get("retry-after", 0)))
    except ValueError:  # a date: some minutes, rather than seconds
        return 60.0
