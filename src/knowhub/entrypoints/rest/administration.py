"""Routes for administrators: syncs, runs, failed batches, people, keys, gaps, the audit trail."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from knowhub.core.errors import ConfigurationError
from knowhub.core.ports import AuditEntry, Run, StoredBatch, StoredKey
from knowhub.core.types import SourceName
from knowhub.entrypoints.rest.admission import AdmittedAdmin, caller_of
from knowhub.entrypoints.rest.bodies import (
    AuditBody,
    AuditEntryBody,
    BatchBody,
    BatchesBody,
    DirectoriesBody,
    GapBody,
    GapsBody,
    KeyBody,
    KeysBody,
    KeySent,
    LayerBody,
    Moment,
    NewKeyBody,
    OwnerBody,
    QueuedBody,
    ReprocessSent,
    RevivedBody,
    RunBody,
    RunsBody,
    StartedBody,
    VisibilityBody,
)
from knowhub.entrypoints.rest.described import refusals
from knowhub.entrypoints.rest.hub import Background
from knowhub.entrypoints.rest.problems import Refused, sentence
from knowhub.entrypoints.rest.rendering import directory_body
from knowhub.wiring.app import App

Limit = Annotated[int, Query(ge=1, le=1000)]
Wanted = Annotated[str, Query(max_length=500)]
Since = Annotated[Moment | None, Query()]


def operating(hub: App, background: Background) -> APIRouter:
    router = APIRouter(route_class=AdmittedAdmin, tags=["administration"])

    @router.post("/api/sources/{name}/sync", summary="Sync a source now", status_code=202, responses=refusals(404, 503))
    def sync(name: str) -> StartedBody:
        """It comes next, whether it is paused or not."""
        background.sync(SourceName(name))
        return StartedBody(run=None)

    @router.post("/api/sources/{name}/pause", summary="Pause a source", status_code=204, responses=refusals(404, 503))
    def pause(name: str) -> None:
        """The schedule leaves it alone."""
        hub.pause(name, paused=True)

    @router.post("/api/sources/{name}/resume", summary="Resume a source", status_code=204, responses=refusals(404, 503))
    def resume(name: str) -> None:
        hub.pause(name, paused=False)

    @router.get("/api/runs", summary="List runs", responses=refusals(404, 422, 503))
    def runs(source: Wanted = "", limit: Limit = 100) -> RunsBody:
        return RunsBody(runs=[_run(run) for run in hub.runs([source] if source else [], limit=limit)])

    @router.get("/api/batches/failed", summary="List failed batches", responses=refusals(503))
    def failed() -> BatchesBody:
        """Documents that several attempts could not process."""
        return BatchesBody(batches=[_batch(batch) for batch in hub.failed_batches()])

    @router.post(
        "/api/batches/reprocess",
        summary="Try failed batches again",
        status_code=202,
        responses=refusals(400, 404, 408, 413, 415, 422, 503),
    )
    def reprocess(sent: ReprocessSent) -> RevivedBody:
        """At the next sync."""
        return RevivedBody(revived=hub.reprocess([sent.source] if sent.source else []))

    return router


def overseeing(hub: App, background: Background) -> APIRouter:
    router = APIRouter(route_class=AdmittedAdmin, tags=["administration"])

    @router.get("/api/memberships", summary="How much is known of people", responses=refusals(503))
    def memberships() -> DirectoriesBody:
        return DirectoriesBody(directories=[directory_body(state, stale) for state, stale in hub.directories()])

    @router.post(
        "/api/memberships/sync", summary="Read people and memberships now", status_code=202, responses=refusals(503)
    )
    def read_memberships() -> QueuedBody:
        background.read_directories()
        return QueuedBody()

    @router.get("/api/gaps", summary="Questions without an answer", responses=refusals(422, 503))
    def gaps(request: Request, days: Annotated[int | None, Query(ge=1, le=3650)] = None) -> GapsBody:
        """Clustered, with who writes about such things."""
        return GapsBody(
            gaps=[
                GapBody(
                    question=gap.question,
                    asked=gap.asked,
                    last_asked=gap.last_asked,
                    examples=list(gap.examples),
                    owners=[OwnerBody(name=owner.name, documents=owner.documents) for owner in gap.owners],
                )
                for gap in hub.gaps(viewer=caller_of(request).viewer, days=days)
            ]
        )

    @router.get("/api/audit", summary="Who was shown what", responses=refusals(422, 503))
    def audit(viewer: Wanted = "", document: Wanted = "", since: Since = None, limit: Limit = 100) -> AuditBody:
        """Ids only, no texts."""
        found = hub.audit(viewer=viewer, document=document, since=since, limit=limit)
        return AuditBody(entries=[_entry(entry) for entry in found])

    @router.get("/api/visibility", summary="Why somebody may read a document", responses=refusals(404, 422, 503))
    def visibility(
        viewer: Annotated[str, Query(min_length=1, max_length=500)],
        document: Annotated[str, Query(min_length=1, max_length=2000)],
    ) -> VisibilityBody:
        """Layer by layer, with the chain of memberships."""
        try:
            found = hub.why_visible(viewer, document)
        except ConfigurationError as error:
            raise Refused(422, sentence(error)) from error
        return VisibilityBody(
            viewer=found.viewer,
            document=document,
            visible=found.visible,
            layers=[
                LayerBody(passed=layer.passed, wanted=list(layer.wanted), chain=list(layer.chain), ground=layer.ground)
                for layer in found.layers
            ],
            explained=found.lines(),
        )

    return router


def keys(hub: App) -> APIRouter:
    router = APIRouter(route_class=AdmittedAdmin, tags=["administration"])

    @router.get("/api/keys", summary="List API keys", responses=refusals(503))
    def listed() -> KeysBody:
        held = hub.keys()
        return KeysBody(keys=[KeyBody(**_key(key)) for key in held])

    @router.post(
        "/api/keys",
        summary="Make an API key",
        status_code=201,
        responses=refusals(400, 408, 413, 415, 422, 503),
    )
    def make(sent: KeySent) -> NewKeyBody:
        """The answer holds its secret, this once."""
        try:
            made = hub.add_key(
                sent.name,
                scopes=frozenset(sent.scopes),
                email=sent.email,
                principals=sent.principals,
                days=sent.days,
            )
        except ConfigurationError as error:
            raise Refused(422, sentence(error)) from error
        return NewKeyBody(**_key(made.stored), secret=made.token.reveal())

    @router.delete("/api/keys/{id}", summary="Revoke an API key", status_code=204, responses=refusals(404, 503))
    def revoke(id: str) -> None:
        """From this moment on."""
        hub.revoke_key(id)

    return router


def _run(run: Run) -> RunBody:
    return RunBody(
        id=run.id,
        source=run.source,
        what=run.what,
        state=run.state,
        started_at=run.started_at,
        finished_at=run.finished_at,
        summary=run.summary,
    )


def _batch(batch: StoredBatch) -> BatchBody:
    return BatchBody(
        id=batch.id,
        source=batch.source,
        sequence=batch.sequence,
        stage=batch.stage,
        timestamp=batch.timestamp,
        documents=batch.newest,
        attempts=batch.attempts,
        error=batch.error,
    )


def _key(key: StoredKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "scopes": sorted(key.scopes, reverse=True),
        "email": key.email,
        "principals": list(key.principals),
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "used_at": key.used_at,
    }


def _entry(entry: AuditEntry) -> AuditEntryBody:
    return AuditEntryBody(
        at=entry.at,
        viewer=entry.viewer,
        action=entry.action,
        surface=entry.surface,
        documents=list(entry.documents),
    )
