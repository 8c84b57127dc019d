"""Reranking services on loopback, as their references document the wire; relevance is the share of common words.

https://docs.cohere.com/reference/rerank, https://docs.voyageai.com/reference/reranker-api,
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_agent-runtime_Rerank.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.servers.kit import Answer, Asked, SimulatedApi, VirtualClock

KEY = "rr-s3cr3t-key"


def relevance(question: str, passage: str) -> float:
    wanted = set(question.lower().split())
    return len(wanted & set(passage.lower().split())) / len(wanted)


class Service(SimulatedApi):
    """`forced` are answers that come instead of scores, in turn. `models` are those that it knows."""

    def __init__(self) -> None:
        super().__init__(VirtualClock())
        self.models = {"rerank-x"}
        self.forced: list[Answer] = []

    def answer(self, asked: Asked) -> Answer:
        if self.forced:
            return self.forced.pop(0)
        return self.reply(asked)

    def reply(self, asked: Asked) -> Answer:
        raise NotImplementedError

    def ranked(self, question: str, passages: Sequence[str]) -> list[tuple[int, float]]:
        """Best first, as they all answer."""
        scored = [(place, relevance(question, passage)) for place, passage in enumerate(passages)]
        return sorted(scored, key=lambda one: -one[1])


class JsonService(Service):
    """Both take `{model, query, documents}`; an answer differs by the field that holds its rows."""

    path: str

    def reply(self, asked: Asked) -> Answer:
        sent = asked.json
        if asked.headers.get("authorization") != f"Bearer {KEY}":
            return self.refusal(401, "invalid api token")
        if not all(isinstance(one, str) and one for one in [sent["query"], *sent["documents"]]):
            return self.refusal(400, f"a document is empty: {sent['documents']}")
        if sent["model"] not in self.models:
            return self.refusal(404, f"model '{sent['model']}' not found")
        rows = [
            {"index": place, "relevance_score": score} for place, score in self.ranked(sent["query"], sent["documents"])
        ]
        return Answer(self.body(rows, sent))

    def refusal(self, status: int, message: str) -> Answer:
        raise NotImplementedError

    def body(self, rows: list[dict[str, Any]], sent: dict[str, Any]) -> dict[str, Any]:
        raise NotImplementedError


class Cohere(JsonService):
    path = "/v2/rerank"

    def refusal(self, status: int, message: str) -> Answer:
        return Answer({"message": message}, status)

    def body(self, rows: list[dict[str, Any]], sent: dict[str, Any]) -> dict[str, Any]:
        billed = {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}}
        return {"id": "07734bd2", "results": rows, "meta": billed}


class Voyage(JsonService):
    path = "/v1/rerank"

    def refusal(self, status: int, message: str) -> Answer:
        return Answer({"detail": message}, status)

    def body(self, rows: list[dict[str, Any]], sent: dict[str, Any]) -> dict[str, Any]:
        return {"object": "list", "data": rows, "model": sent["model"], "usage": {"total_tokens": 26}}


class Bedrock(Service):
    """Pages of `page` results."""

    page = 2
    arn = "arn:aws:bedrock:eu-central-1::foundation-model/cohere.rerank-v3-5:0"

    def reply(self, asked: Asked) -> Answer:
        sent = asked.json
        configuration = sent["rerankingConfiguration"]["bedrockRerankingConfiguration"]
        if "Credential=AKIDTEST/" not in asked.headers["authorization"]:
            return refused(403, "UnrecognizedClientException")
        if configuration["modelConfiguration"]["modelArn"] != self.arn:
            return refused(404, "ResourceNotFoundException")
        question = sent["queries"][0]["textQuery"]["text"]
        texts = [source["inlineDocumentSource"]["textDocument"]["text"] for source in sent["sources"]]
        if any(not 1 <= len(text) <= 32_000 for text in [question, *texts]):
            return refused(400, "ValidationException", f"1 validation error detected: {texts}")
        rows = self.ranked(question, texts)[: configuration["numberOfResults"]]
        start = int(sent.get("nextToken", "0"))
        found: dict[str, Any] = {
            "results": [{"index": at, "relevanceScore": score} for at, score in rows[start : start + self.page]]
        }
        if start + self.page < len(rows):
            found["nextToken"] = str(start + self.page)
        return Answer(found)


def refused(status: int, kind: str, message: str = "no") -> Answer:
    return Answer({"message": message}, status, {"x-amzn-ErrorType": kind})
