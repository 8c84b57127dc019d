"""Voyage's reranker (https://docs.voyageai.com/reference/reranker-api)."""

from __future__ import annotations

from collections.abc import Sequence

from knowhub.core.secret import Secret
from knowhub.http import SYSTEM_CLOCK, Clock
from knowhub.reranking.remote import RerankingApi

BASE_URL = "https://api.voyageai.com"


class VoyageReranker:
    """Scores are 0 to 1. The service itself cuts what is too long for the model."""

    def __init__(self, model: str, key: Secret, *, base_url: str = "", clock: Clock = SYSTEM_CLOCK) -> None:
        self._api = RerankingApi("Voyage", model, base_url or BASE_URL, key, example="rerank-2.5", clock=clock)

    def scores(self, question: str, passages: Sequence[str]) -> list[float]:
        return self._api.scores("v1/rerank", question, passages, under="data")
