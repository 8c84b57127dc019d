"""Amazon Bedrock's Rerank operation (`bedrock-agent-runtime`), with AWS credentials as boto3 finds them.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_agent-runtime_Rerank.html
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from threading import Lock
from typing import Any

from knowhub.core.errors import (
    AccessDenied,
    ConfigurationError,
    KnowhubError,
    MissingExtra,
    PermanentError,
    RateLimited,
    TransientError,
)
from knowhub.reranking.remote import LATER, in_order, required, sendable

MAX_CHARS = 32_000
_TIMEOUT_S = 10
_ATTEMPTS = 2
_WAIT_S = 2.0
_THROTTLED = frozenset({"ThrottlingException", "TooManyRequestsException", "ServiceQuotaExceededException"})
_REFUSED = frozenset(
    {
        "AccessDeniedException",
        "ExpiredTokenException",
        "InvalidSignatureException",
        "UnrecognizedClientException",
    }
)


class BedrockReranker:
    """`model` is a foundation model's id or an ARN. Scores are 0 to 1. Constructing it imports and connects nothing."""

    def __init__(self, model: str, *, region: str = "", base_url: str = "") -> None:
        self.model = required(model, "cohere.rerank-v3-5:0")
        self._region = region
        self._base_url = base_url
        self._opening = Lock()

    def scores(self, question: str, passages: Sequence[str]) -> list[float]:
        if not passages:
            return []
        found = ((row.get("index"), row.get("relevanceScore")) for row in self._rows(question, passages))
        return in_order(found, passages, "Bedrock")

    def _rows(self, question: str, passages: Sequence[str]) -> Iterator[Any]:
        with self._opening:
            client, arn = self._client, self._arn
        sources = [
            {"type": "INLINE", "inlineDocumentSource": {"type": "TEXT", "textDocument": {"text": text[:MAX_CHARS]}}}
            for text in sendable(passages)
        ]
        configuration = {"modelConfiguration": {"modelArn": arn}, "numberOfResults": len(passages)}
        asked: dict[str, Any] = {
            "queries": [{"type": "TEXT", "textQuery": {"text": question[:MAX_CHARS]}}],
            "sources": sources,
            "rerankingConfiguration": {
                "type": "BEDROCK_RERANKING_MODEL",
                "bedrockRerankingConfiguration": configuration,
            },
        }
        while True:
            page = self._page(client, asked)
            yield from page.get("results", [])
            if not page.get("nextToken"):
                return
            asked["nextToken"] = page["nextToken"]

    def _page(self, client: Any, asked: dict[str, Any]) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]  # it has no stubs

        # From None: a validation error repeats what was sent.
        try:
            return client.rerank(**asked)
        except ClientError as error:
            raise self._told(error.response) from None
        except BotoCoreError as error:
            raise _unsent(error) from None

    def _told(self, response: Any) -> KnowhubError:
        code = str(response.get("Error", {}).get("Code", ""))
        status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        if code in _THROTTLED or status == 429:
            return RateLimited("Bedrock: too many requests", wait_s=_WAIT_S, cure="Ask again later")
        if status >= 500:
            return TransientError(f"Bedrock: {status} {code}", cure=LATER)
        if code in _REFUSED:
            return AccessDenied(
                f"Bedrock: {status} {code}", cure="Allow bedrock:Rerank and bedrock:InvokeModel, and enable the model"
            )
        return PermanentError(
            f"Bedrock: {status} {code} for {self.model}", cure="Correct reranking.model and reranking.region"
        )

    @cached_property
    def _session(self) -> Any:
        try:
            import boto3
        except ImportError as error:
            raise MissingExtra("reranking by Bedrock needs boto3", cure="pip install 'knowhub[llm]'") from error
        return boto3.session.Session(region_name=self._region or None)

    @cached_property
    def _client(self) -> Any:
        from botocore.config import Config  # type: ignore[import-untyped]  # it has no stubs

        if not self._session.region_name:
            raise ConfigurationError("reranking by Bedrock has no region", cure="Set reranking.region")
        retries = {"mode": "standard", "total_max_attempts": _ATTEMPTS}
        config = Config(connect_timeout=_TIMEOUT_S, read_timeout=_TIMEOUT_S, retries=retries)
        return self._session.client("bedrock-agent-runtime", endpoint_url=self._base_url or None, config=config)

    @cached_property
    def _arn(self) -> str:
        if self.model.startswith("arn:"):
            return self.model
        region = self._session.region_name
        partition = self._session.get_partition_for_region(region)
        return f"arn:{partition}:bedrock:{region}::foundation-model/{self.model}"


def _unsent(error: Exception) -> KnowhubError:
    """What went wrong before there was an answer."""
    from botocore import exceptions  # type: ignore[import-untyped]  # it has no stubs

    kind = type(error).__name__
    if isinstance(error, exceptions.NoCredentialsError | exceptions.CredentialRetrievalError):
        return AccessDenied(f"Bedrock: no AWS credentials ({kind})", cure="Give this process a role or a profile")
    if isinstance(error, exceptions.HTTPClientError | exceptions.ConnectionError):
        return TransientError(f"Bedrock: no answer ({kind})", cure=LATER)
    return PermanentError(f"Bedrock: the request cannot be made ({kind})", cure="Correct [reranking]")
