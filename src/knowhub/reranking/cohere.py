"""Cohere's Rerank API, version 2 (https://docs.cohere.com/reference/rerank), and servers that speak as it does."""

from __future__ import annotations

from collections.abc import Sequence

from knowhub.core.secret import Secret
from knowhub.http import SYSTEM_CLOCK, Clock
from knowhub.reranking.remote import RerankingApi

BASE_URL = "https://api.cohere.com"


class CohereReranker:
    """Scores are 0 to 1. The service itself cuts passages at 4,096 tokens."""

    def __init__(self, model: str, key: Secret, *, base_url: str = "", clock: Clock = SYSTEM_CLOCK) -> None:
        self._api = RerankingApi("Cohere", model, base_url or BASE_URL, key, example="rerank-v3.5", clock=clock)

    def scores(self, question: str, passages: Sequence[str]) -> list[float]:
        return self._api.scores("v2/rerank", question, passages, under="results")
