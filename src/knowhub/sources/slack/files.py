"""Files in messages ▸ attachments of their own: `{channel}:{ts of the thread or message}:file:{id}`.

https://docs.slack.dev/reference/objects/file-object: a file is downloaded with the token, from Slack's hosts only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from urllib.parse import urlsplit

from knowhub.connecting.attachments import Attachment, Attachments
from knowhub.connecting.versions import digest
from knowhub.core.ports import Known, KnownItem
from knowhub.core.types import Acl, ContainerId, Failed, ItemId, RawRecord, Skipped, SourceName, Unchanged
from knowhub.formats.slack import is_canvas
from knowhub.sources.slack.api import Json, SlackApi, SlackRefused

FILE_HOSTS = ("https://files.slack.com", "https://slack.com", "https://slack-files.com")

_SIGN_IN = re.compile(r"<title>[^<]*\b(?:log|sign)[ -]?in\b[^<]*", re.IGNORECASE)
_ELSEWHERE = "file kept outside Slack"
_NO_ACCESS = {"access_denied", "file_not_found", "check_file_info"}

FetchedFile = RawRecord | Unchanged | Skipped | Failed


@dataclass(frozen=True, slots=True)
class Place:
    """The channel that a file was shared in. `scope` changes with all that is the same for each file there."""

    container: ContainerId
    label: str
    acl: Acl
    scope: str


class Files:
    """Fetches the files of one workspace; `workspace` is its address, from which old files are served."""

    def __init__(self, api: SlackApi, source: SourceName, max_bytes: int, workspace: str) -> None:
        self._api = api
        self._source = source
        self._max_bytes = max_bytes
        self._trusted = {_origin(host) for host in (*FILE_HOSTS, workspace, api.http.base_url) if host}

    @cached_property
    def _attachments(self) -> Attachments:
        return Attachments(self._api.http, self._source, self._max_bytes)

    def fetch(self, file: Json, key: str, place: Place, known: Known, names: Mapping[str, str]) -> FetchedFile | None:
        """One file of the thread or message `key`. None: there is no file any more, its author deleted it."""
        container, label, acl = place.container, place.label, place.acl
        if file.get("mode") == "tombstone" or not isinstance(file.get("id"), str):
            return None
        item = ItemId(f"{container}:{key}:file:{file['id']}")
        location = f"{label}/{key}/{file.get('name') or file['id']}"
        try:
            file = self._whole(file)
        except SlackRefused as error:
            if error.code == "file_deleted":
                return None
            if error.code not in _NO_ACCESS:
                return Failed(container, item, str(error), location)
            file = {**file, "file_access": error.code}
        if reason := self._left_out(file):
            return Skipped(container, item, reason, location)
        attachment = Attachment(
            item=item,
            container=container,
            name=_name(file),
            url=_address(file),
            link=str(file.get("permalink") or ""),
            version=f"f{place.scope}{digest(*(file.get(part) for part in _VERSIONED))}",
            acl=acl,
            parent=f"{label}/{key}",
            size_bytes=size if isinstance(size := file.get("size"), int) and not is_canvas(file) else None,
            author=names.get(str(file.get("user")), ""),
            created_at=_created(file),
        )
        return _checked(self._attachments.fetch(attachment, known), file)

    def _whole(self, file: Json) -> Json:
        """Of a file of another company in a shared channel, a message holds only the id.

        https://docs.slack.dev/apis/slack-connect/#files
        """
        if not needs_asking(file):
            return file
        found = self._api.call("files.info", file=file["id"]).get("file")
        return found if isinstance(found, dict) else file

    def _left_out(self, file: Json) -> str:
        if file.get("mode") == "hidden_by_limit":
            return "file hidden by the plan's limit"
        if file.get("file_access") in _NO_ACCESS:
            return "file that the app may not open"
        if file.get("mode") == "external" or file.get("is_external"):
            return _ELSEWHERE
        return "" if _origin(_address(file)) in self._trusted else _ELSEWHERE


_VERSIONED = ("id", "name", "title", "size", "timestamp", "updated", "edit_timestamp", "mode", "filetype")


def needs_asking(file: Json) -> bool:
    return file.get("file_access") == "check_file_info"


def was_asked(file: Json, before: KnownItem | None, place: Place) -> bool:
    """Whether it would be asked for again although it is stored, or left out: such a file is taken as unchanged."""
    if not needs_asking(file) or before is None or not before.version:
        return False
    return before.version.startswith(f"f{place.scope}") or not before.version.startswith("f")


def files_of(message: Json) -> Iterator[Json]:
    """Its own files; those of messages that it quotes belong to where they were written."""
    files = message.get("files")
    for file in files if isinstance(files, list) else ():
        if isinstance(file, dict):
            yield file


def _checked(fetched: FetchedFile, file: Json) -> FetchedFile:
    """A canvas is a page, and so is what comes in its place with status 200 when somebody has to sign in."""
    if not isinstance(fetched, RawRecord) or not is_canvas(file):
        return fetched
    found = _SIGN_IN.search((fetched.payload or {})["content"].get("text", "")[:4096])
    title = str(file.get("title") or "")
    if not found or (title and title in found[0]):
        return fetched
    error = f"{_name(file)}: a page to sign in at came in place of the canvas"
    return Failed(fetched.container, fetched.item, error, fetched.location)


def _name(file: Json) -> str:
    name = str(file.get("name") or file.get("title") or file.get("id"))
    if is_canvas(file):
        return f"{file.get('title') or name}.html"
    suffix = str(file.get("filetype") or "")
    return f"{name}.{suffix}" if "." not in name and suffix.isalnum() else name


def _address(file: Json) -> str:
    address = file.get("url_private_download") or file.get("url_private")
    return address if isinstance(address, str) else ""


def _created(file: Json) -> str:
    created = file.get("created")
    try:
        return datetime.fromtimestamp(created, UTC).isoformat() if isinstance(created, int) and created > 0 else ""
    except (OverflowError, OSError, ValueError):
        return ""


def _origin(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc}".lower()
