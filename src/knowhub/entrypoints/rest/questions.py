"""Routes that answer: query, search, feedback, one document, the sources, and who I am."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from knowhub.core.types import DocumentId
from knowhub.entrypoints.rest.admission import Admitted, AdmittedAny, caller_of
from knowhub.entrypoints.rest.bodies import (
    AnswerBody,
    DocumentBody,
    FeedbackSent,
    HitsBody,
    MeBody,
    QuerySent,
    SearchSent,
    SourcesBody,
)
from knowhub.entrypoints.rest.described import ANSWERS, refusals
from knowhub.entrypoints.rest.desk import Desk, seen_by
from knowhub.entrypoints.rest.hub import SURFACE, Background
from knowhub.entrypoints.rest.rendering import (
    document_body,
    filters_of,
    hits_body,
    source_types,
    sources_body,
)
from knowhub.entrypoints.rest.streaming import MEDIA_TYPE as EVENTS
from knowhub.wiring.app import App

_JSON = "application/json"
_MODES = {"owner": "local", "key": "key", "oidc": "oidc", "public": "public"}


def asking(desk: Desk, hub: App) -> APIRouter:
    """What costs something: it goes through the desk's gate."""
    router = APIRouter(route_class=Admitted, tags=["answers"])

    @router.post(
        "/api/query",
        summary="Ask a question",
        response_model=AnswerBody,
        responses={200: ANSWERS, **refusals(400, 404, 408, 413, 415, 422, 503)},
    )
    async def query(request: Request, sent: QuerySent) -> Response:
        """Answers from what you may read, or says that it is not written down.

        With `Accept: text/event-stream` the answer comes as it is made: `status` {stage}, `citations` {sources},
        `delta` {text}, `reset` {reason} (what was said is void), `done` (the whole object), `error` (a problem).
        """
        caller = caller_of(request)
        if EVENTS in request.headers.get("accept", ""):
            return desk.stream(request, caller, sent)
        return Response(await desk.answer(request, caller, sent), media_type=_JSON)

    @router.post(
        "/api/search",
        summary="Find passages",
        response_model=HitsBody,
        responses=refusals(400, 404, 408, 413, 415, 422, 503),
    )
    async def search(request: Request, sent: SearchSent) -> Response:
        """The best passages that you may read, best first. Copies of one text are shown once."""
        viewer = caller_of(request).viewer

        def work(_: object) -> bytes:
            seen = seen_by(viewer, hub)
            hits = hub.search(
                sent.query,
                viewer=viewer,
                mode=sent.mode,
                top_k=sent.top_k,
                filters=filters_of(sent),
                surface=SURFACE,
            )
            return hits_body(sent, hits, seen, hub.container_names()).model_dump_json().encode()

        return Response(await desk.work(request, work), media_type=_JSON)

    return router


def reading(hub: App, background: Background) -> APIRouter:
    """What is looked up."""
    router = APIRouter(route_class=Admitted, tags=["documents"])

    @router.get("/api/documents/{id:path}", summary="Read a document", responses=refusals(404, 503))
    def document(request: Request, id: str) -> DocumentBody:
        """The text that citations point into. What you may not read is not there."""
        found = hub.document(DocumentId(id), viewer=caller_of(request).viewer, surface=SURFACE)
        return document_body(found, source_types(hub.settings))

    @router.get("/api/sources", summary="List sources", responses=refusals(503))
    def sources(request: Request) -> SourcesBody:
        """What you may read, by source, and how fresh it is; administrators see what is missing too."""
        caller = caller_of(request)
        admin = "admin" in caller.scopes
        overviews = hub.overview(viewer=caller.viewer, admin=admin)
        return sources_body(overviews, background.next_sync_at if admin else None)

    @router.post(
        "/api/feedback",
        summary="Say whether an answer was useful",
        status_code=204,
        responses=refusals(400, 404, 408, 413, 415, 422, 503),
    )
    def feedback(request: Request, sent: FeedbackSent) -> None:
        """Becomes a case in the hub's own evaluation, and a gap if it was not."""
        hub.feedback(sent.id, viewer=caller_of(request).viewer, useful=sent.useful, reason=sent.reason)

    return router


def identity(*, sign_in: str | None, language_model: bool, version: str) -> APIRouter:
    router = APIRouter(route_class=AdmittedAny, tags=["you"])

    @router.get("/api/me", summary="Who am I?", responses=refusals())
    def me(request: Request) -> MeBody:
        caller = caller_of(request)
        return MeBody.model_validate(
            {
                "name": caller.name,
                "scopes": sorted(caller.scopes, reverse=True),
                "mode": _MODES[caller.how],
                "sign_in": sign_in,
                "language_model": language_model,
                "version": version,
            }
        )

    return router
