"""What is stored of one thing: the vendor's JSON without what is secret or never still, its version and its readers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from knowhub.connecting.attachments import Attachment, Attachments
from knowhub.connecting.versions import compared, digest
from knowhub.core.ports import Known
from knowhub.core.types import Acl, Failed, ItemId, RawRecord, Skipped, Unchanged
from knowhub.formats.gitlab_documents import person
from knowhub.formats.gitlab_markdown import upload_links
from knowhub.sources.gitlab.api import Api, Json
from knowhub.sources.gitlab.options import GitLabOptions
from knowhub.sources.gitlab.progress import Tally
from knowhub.sources.gitlab.scope import Place

Outcome = RawRecord | Unchanged | Skipped | Failed

NO_UPLOAD = "upload not offered by this GitLab"
_LEFT_OUT = frozenset(
    ("avatar_url", "_links", "subscribed", "import_url", "runners_token", "user", "head_pipeline", "pipeline")
)
"""Signed or secret addresses, and what differs for each caller or from minute to minute."""


class Desk:
    """Makes the records of one place and keeps its tally."""

    def __init__(self, place: Place, options: GitLabOptions, api: Api, known: Known, shape: str) -> None:
        self.place = place
        self.options = options
        self.api = api
        self.known = known
        self.shape = shape
        self.unaccounted = 0
        """Items that GitLab counts and does not list."""
        self.tally = Tally(known.in_container(place.container))
        self._attachments = Attachments(api.http, place.source, options.max_attachment_bytes)

    def item(self, *parts: object) -> ItemId:
        return ItemId(":".join(map(str, parts)))

    def acl(self, kind: str, *further: frozenset[Any]) -> Acl:
        return self.options.acl(self.place.acl(kind, *further))

    def record(
        self, item: ItemId, kind: str, acl: Acl, payload: Mapping[str, Any], *, location: str, stamp: str = ""
    ) -> RawRecord | Unchanged:
        """`stamp`: the vendor's own version, told in front so that it can be compared without the content."""
        version = f"{stamp}{digest(payload, acl, self.shape)}"
        return self.kept(item, kind, acl, payload, location=location, version=version)

    def kept(
        self, item: ItemId, kind: str, acl: Acl, payload: Mapping[str, Any], *, location: str, version: str
    ) -> RawRecord | Unchanged:
        self.tally.add(item)
        stored = {**payload, "home": self.place.home}
        place = self.place
        record = RawRecord(place.source, place.container, item, f"gitlab.{kind}", version, acl, stored, location)
        return compared(record, self.known)

    def skipped(self, item: ItemId, reason: str, location: str) -> Skipped:
        self.tally.add(item)
        return Skipped(self.place.container, item, reason, location)

    def failed(self, item: ItemId, error: str, location: str) -> Failed:
        self.tally.add(item)
        return Failed(self.place.container, item, error, location)

    def removed(self, items: Iterable[ItemId]) -> Iterator[RawRecord]:
        """What is seen to be gone, now and not at the next census."""
        for item in sorted(items):
            self.tally.drop(item)
            if self.known.get(item):
                yield RawRecord(self.place.source, self.place.container, item, "removal", "", Acl(), None)

    def uploads(self, parent: ItemId, text: str, acl: Acl, location: str, by: Json) -> Iterator[Outcome]:
        """The files that a text shows. https://docs.gitlab.com/api/project_markdown_uploads/"""
        for link in upload_links(text) if self.options.attachments else []:
            _, _, secret, name = link.split("/", 3)
            item = self.item(parent, "file", hashlib.sha256(link.encode()).hexdigest()[:16])
            self.tally.add(item)
            yield self._upload(
                Attachment(
                    item=item,
                    container=self.place.container,
                    name=name,
                    url=f"{self.api.http.base_url}/{self.place.api}/uploads/{secret}/{quote(name, safe='')}",
                    link=f"{self.place.web_url}{'/-' if self.place.kind == 'group' else ''}{link}",
                    version=digest(acl, self.shape),
                    acl=acl,
                    parent=location,
                    author=person(by.get("author")),
                    created_at=str(by.get("created_at") or ""),
                )
            )

    def _upload(self, attachment: Attachment) -> Outcome:
        found = self._attachments.fetch(attachment, self.known)
        if isinstance(found, Failed) and found.error.endswith((": 404", ": 404, 404 Not found", ": 404, Not found")):
            # The file was deleted, or this GitLab is older than 17.4: then nothing of it can be had by the API.
            return Skipped(attachment.container, attachment.item, NO_UPLOAD, found.location)
        return found


def still(value: Any) -> Any:
    """Vendor JSON without `_LEFT_OUT`, at any depth."""
    if isinstance(value, dict):
        return {key: still(one) for key, one in value.items() if key not in _LEFT_OUT}
    if isinstance(value, list):
        return [still(one) for one in value]
    return value
