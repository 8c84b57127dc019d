"""What every reranking service has in common: short patience, few words about what failed, one score a passage."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from knowhub.core.errors import (
    AccessDenied,
    ConfigurationError,
    KnowhubError,
    PermanentError,
    RateLimited,
    TransientError,
)
from knowhub.core.secret import Secret
from knowhub.http import SYSTEM_CLOCK, Clock, Http, Missing, Refused, Rejected, Unavailable, bearer

LATER = "If it stays so, look at the service's status page"
_TIMEOUT_S = 10
_ATTEMPTS = 2
_PATIENCE_S = 2.0
"""Somebody waits for the answer: a search in its own order now is worth more than a better one in a minute."""
_NOTHING = "-"
"""What stands for an empty passage, which services refuse."""


class RerankingApi:
    """A service that takes `{model, query, documents}` as JSON. Errors name service and status, never what was sent."""

    def __init__(
        self, service: str, model: str, base_url: str, key: Secret, *, example: str, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self.service = service
        self.model = required(model, example)
        self._http = Http(
            base_url,
            auth=bearer(key),
            clock=clock,
            timeout_s=_TIMEOUT_S,
            attempts=_ATTEMPTS,
            patience_s=_PATIENCE_S,
        )

    def scores(self, path: str, question: str, passages: Sequence[str], *, under: str) -> list[float]:
        """One a passage, in their order; the reply lists `{index, relevance_score}` as its field `under`."""
        if not passages:
            return []
        body = {"model": self.model, "query": question, "documents": sendable(passages)}
        found = self._posted(path, body)
        rows = found.get(under) if isinstance(found, dict) else None
        return in_order(
            ((row.get("index"), row.get("relevance_score")) for row in listed(rows)), passages, self.service
        )

    def _posted(self, path: str, body: Mapping[str, Any]) -> Any:
        # From None: what the service says of a request may repeat what was in it.
        try:
            return self._http.post(path, json=body).data
        except KnowhubError as error:
            raise self._told(error) from None

    def _told(self, error: KnowhubError) -> KnowhubError:
        if isinstance(error, RateLimited):
            return RateLimited(f"{self.service}: too many requests", wait_s=error.wait_s, cure="Ask again later")
        if isinstance(error, Refused):
            return AccessDenied(f"{self.service}: {error.reply.status}, the key is refused", cure="Set reranking.key")
        if isinstance(error, Missing):
            return ConfigurationError(f"{self.service}: it has no model {self.model}", cure="Correct reranking.model")
        if isinstance(error, Rejected):
            return PermanentError(
                f"{self.service}: {error.reply.status}, it does not take a request for {self.model}",
                cure="Correct reranking.model",
            )
        status = error.status if isinstance(error, Unavailable) else 0
        return TransientError(f"{self.service}: {status or 'no answer that can be read'}", cure=LATER)


def required(model: str, example: str) -> str:
    if not model:
        raise ConfigurationError("reranking.model is empty", cure=f"Name the model, for example {example}")
    return model


def sendable(passages: Sequence[str]) -> list[str]:
    return [passage if passage.strip() else _NOTHING for passage in passages]


def listed(rows: Any) -> list[Mapping[str, Any]]:
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def in_order(found: Iterable[tuple[Any, Any]], passages: Sequence[str], service: str) -> list[float]:
    """Scores by the passages' places. Raises TransientError unless there is exactly one finite number for each."""
    scores: dict[int, float] = {}
    for place, score in found:
        if isinstance(place, int) and isinstance(score, int | float) and math.isfinite(score):
            scores[place] = float(score)
    if scores.keys() != set(range(len(passages))):
        raise TransientError(f"{service}: {len(scores)} scores came for {len(passages)} passages", cure=LATER)
    return [scores[place] for place in range(len(passages))]
