"""The models that answer: what `[language]` and `[reranking]` name, as an answerer and a second look."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from knowhub.core.errors import ConfigurationError
from knowhub.core.ports import Answerer, Embedder, Reranker
from knowhub.core.secret import Secret
from knowhub.core.types import Hit, Turn
from knowhub.pipelines.ask import Ranked, Rerank, Sought
from knowhub.wiring.settings import Configuration, RerankingSettings

if TYPE_CHECKING:
    from knowhub.language.strands import StrandsModel


def make_language_model(configuration: Configuration) -> StrandsModel | None:
    """None where none is named. Imports nothing heavy. Raises ConfigurationError."""
    settings = configuration.settings.language
    if not settings.provider:
        return None
    from knowhub.language.options import LanguageOptions
    from knowhub.language.strands import StrandsModel

    options = LanguageOptions(
        provider=settings.provider,
        model=settings.model,
        key=configuration.secret("language.key", settings.key) if settings.key else None,
        base_url=settings.base_url,
        region=settings.region,
        timeout_s=settings.timeout_s,
    )
    return StrandsModel(options)


def make_answerer(configuration: Configuration, embedder: Embedder, model: StrandsModel | None) -> Answerer:
    """Quotes; or what the model writes as far as it is verified, and quotes where it fails."""
    from knowhub.answering.extractive import ExtractiveAnswerer
    from knowhub.index.words import terms

    extractive = ExtractiveAnswerer(embedder, terms=terms)
    if model is None:
        return extractive
    from knowhub.answering.disagreement import Disagreement
    from knowhub.answering.generative import GenerativeAnswerer, GenerativeOptions
    from knowhub.answering.verification import Verifier

    settings = configuration.settings
    options = GenerativeOptions(unsupported=settings.answers.unsupported, max_tokens=settings.language.max_tokens)
    return GenerativeAnswerer(
        model, Verifier(terms, embedder), extractive, options, disagreement=Disagreement(embedder, terms=terms)
    )


def make_rerank(configuration: Configuration) -> Rerank | None:
    """None where no reranker is named. Raises ConfigurationError."""
    settings = configuration.settings.reranking
    if not settings.provider:
        return None
    from knowhub.answering.reranked import reranked

    reranker = _RERANKERS[settings.provider](configuration, settings)

    def rerank(question: str, hits: Sequence[Hit]) -> Ranked:
        return Ranked(*reranked(question, hits, reranker))

    return rerank


def _cohere(configuration: Configuration, settings: RerankingSettings) -> Reranker:
    from knowhub.reranking.cohere import CohereReranker

    return CohereReranker(settings.model, _key(configuration, settings), base_url=settings.base_url)


def _voyage(configuration: Configuration, settings: RerankingSettings) -> Reranker:
    from knowhub.reranking.voyage import VoyageReranker

    return VoyageReranker(settings.model, _key(configuration, settings), base_url=settings.base_url)


def _bedrock(_: Configuration, settings: RerankingSettings) -> Reranker:
    from knowhub.reranking.bedrock import BedrockReranker

    return BedrockReranker(settings.model, region=settings.region, base_url=settings.base_url)


def _local(configuration: Configuration, settings: RerankingSettings) -> Reranker:
    from knowhub.embedding.runtime import load_runtime
    from knowhub.reranking.cross_encoder import CrossEncoder

    models = configuration.path(configuration.settings.embedding.models)
    return CrossEncoder(configuration.path(Path(settings.model)), openvino=load_runtime, cache=models)


_RERANKERS: dict[str, Callable[[Configuration, RerankingSettings], Reranker]] = {
    "cohere": _cohere,
    "voyage": _voyage,
    "bedrock": _bedrock,
    "local": _local,
}


def _key(configuration: Configuration, settings: RerankingSettings) -> Secret:
    if not settings.key:
        raise ConfigurationError(
            f"{configuration.file.name}: reranking.key is missing", cure='Name where it is: key = "env:NAME".'
        )
    return configuration.secret("reranking.key", settings.key)


def completed(question: str, turns: Sequence[Turn], model: StrandsModel | None, embedder: Embedder) -> Sought:
    """A question of a conversation as one that stands alone: by the model, or by carried-over terms."""
    from knowhub.answering.conversation import meaning_vector, rewritten, standalone
    from knowhub.index.words import terms

    searched = rewritten(question, turns, model, terms) if model else standalone(question, turns, terms)
    return Sought(searched.text, searched.words, lambda: meaning_vector(searched, embedder))
