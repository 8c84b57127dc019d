"""What GitHub returned ▸ records, with versions that tell whether the details must be read again.

An issue's version is `{listing}.{review comments}.{content}`: the digest of what a listing shows of it, the number of
its review comments, the digest of all that a reader sees. The first two can be compared without reading the details.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from knowhub.connecting.attachments import Attachment
from knowhub.connecting.versions import digest
from knowhub.core.types import Acl, ContainerId, ItemId, RawRecord, Skipped, SourceName
from knowhub.formats.contents import pack
from knowhub.formats.github_markdown import unsigned
from knowhub.sources.github.api import Json
from knowhub.sources.github.options import GitHubOptions

UNSETTLED = "~"
"""At the end of the version of what is to be read once more."""
_SECRET_KEYS = frozenset(("temp_clone_token",))
# A name and no path: whoever writes `/files/1/../../` must not choose what is asked for with our token.
_FILES = re.compile(
    r"(?P<site>https?://[^\s()<>\"'/?#\]]{1,250})/(?:user-attachments|(?P<repository>[\w.-]{1,100}/[\w.-]{1,100}))"
    r"/files/(?P<id>\d{1,20})/(?P<name>[^\s()<>\"'?#\]/\\]{1,250})(?![^\s()<>\"'?#\]])"
)
FOREIGN = "file of another repository"


@dataclass(frozen=True, slots=True)
class Repository:
    """A container: what its listing says, and whom its items are for."""

    source: SourceName
    options: GitHubOptions
    shown: Json

    @property
    def id(self) -> int:
        return int(self.shown["id"])

    @property
    def container(self) -> ContainerId:
        return ContainerId(str(self.id))

    @property
    def name(self) -> str:
        return str(self.shown["full_name"])

    @property
    def path(self) -> str:
        return f"repos/{self.name}"

    @property
    def branch(self) -> str:
        return str(self.shown.get("default_branch") or "main")

    @property
    def public(self) -> bool:
        """Whatever is not said to be public is not."""
        return self.shown.get("private") is False and self.shown.get("visibility", "public") == "public"

    @property
    def acl(self) -> Acl:
        return self.options.acl(Acl.of(principal(self.source, "repository", self.id)))

    def record(self, item: ItemId, kind: str, version: str, location: str, payload: Mapping[str, Any]) -> RawRecord:
        head = {"web": self.options.web, "repository": self.name}
        body = clean({**head, **payload})
        return RawRecord(self.source, self.container, item, kind, version, self.acl, body, location)

    def removal(self, item: ItemId) -> RawRecord:
        return RawRecord(self.source, self.container, item, "removal", "", Acl(), None)

    # ── issues and pull requests ─────────────────────────────────────────────────────────────────────

    def listing(self, issue: Json) -> str:
        """Digest of what a listing tells of an issue or pull request, and of its readers."""
        people = [one.get("login") for one in issue.get("assignees") or ()]
        labels = sorted(str(one.get("name") if isinstance(one, dict) else one) for one in issue.get("labels") or ())
        merged = (issue.get("pull_request") or {}).get("merged_at")
        told = [issue.get(key) for key in ("updated_at", "comments", "title", "body", "state", "state_reason", "draft")]
        more = [_login(issue), _inner(issue, "milestone", "title"), _inner(issue, "type", "name")]
        return digest(self.acl, told, people, labels, merged, more, bool(self.options.attachments))

    def issue(self, details: Json, *, settled: bool = True) -> RawRecord:
        """`details` as documented in `formats.github_issue`, without `web` and `repository`.

        Not `settled`: read so soon after a change that another one may bear the same second.
        """
        issue, pull = details["issue"], details.get("pull") or {}
        said = [[_seen(one) for one in details.get(key, ())] for key in ("comments", "reviews", "review_comments")]
        branches = [_inner(pull, "head", "label"), _inner(pull, "base", "label")]
        listing, content = self.listing(issue), digest(self.listing(issue), said, branches)
        version = f"{listing}.{len(details.get('review_comments', ()))}.{content}{'' if settled else UNSETTLED}"
        kind = "github.pull" if "pull_request" in issue else "github.issue"
        return self.record(issue_item(issue), kind, version, f"{self.name}#{issue['number']}", details)

    def attached(self, record: RawRecord, texts: Sequence[Json]) -> Iterator[Attachment | Skipped]:
        """The files that people put into a description and comments. Pictures have no text, so they are left.

        A link to a file of another repository is left out: whoever reads this one may not be let into that one.
        """
        seen: set[str] = set()
        for said in texts:
            body = str(said.get("body") or "")
            for found in _FILES.finditer(body):
                url, name = found[0], found["name"]
                if found["id"] in seen or found["site"].lower() != self.options.web.lower() or not name.strip("."):
                    continue
                seen.add(found["id"])
                item = ItemId(f"{record.item}:file:{found['id']}")
                if (found["repository"] or self.name).lower() != self.name.lower():
                    yield Skipped(self.container, item, FOREIGN, f"{record.location}/{name}")
                    continue
                yield Attachment(
                    item=item,
                    container=self.container,
                    name=name,
                    url=url,
                    link=url,
                    version=digest(found["id"], name, self.acl),
                    acl=self.acl,
                    parent=record.location,
                    author=_login(said),
                    created_at=str(said.get("created_at") or ""),
                )

    # ── the rest ─────────────────────────────────────────────────────────────────────────────────────

    def discussion(self, discussion: Json) -> RawRecord:
        version = digest(self.acl, discussion)
        location = f"{self.name}#{discussion['number']}"
        item = ItemId(f"discussion:{discussion['databaseId']}")
        return self.record(item, "github.discussion", version, location, {"discussion": discussion})

    def release(self, release: Json) -> RawRecord:
        told = [release.get(key) for key in ("tag_name", "name", "body", "prerelease", "published_at", "created_at")]
        names = [asset.get("name") for asset in release.get("assets") or ()]
        version = digest(self.acl, told, names, _login(release, "author"))
        item = release_item(release)
        return self.record(item, "github.release", version, f"{self.name}@{release['tag_name']}", {"release": release})

    def asset(self, release: Json, asset: Json) -> Attachment:
        return Attachment(
            item=ItemId(f"release:{release['id']}:file:{asset['id']}"),
            container=self.container,
            name=str(asset["name"]),
            url=str(asset["url"]),
            link=str(asset.get("browser_download_url") or release.get("html_url") or ""),
            version=digest(asset["id"], asset.get("name"), asset.get("updated_at"), asset.get("size"), self.acl),
            acl=self.acl,
            parent=f"{self.name}@{release['tag_name']}",
            size_bytes=asset.get("size"),
            author=_login(asset, "uploader"),
            created_at=str(asset.get("created_at") or ""),
        )

    def file_item(self, path: str) -> ItemId:
        return ItemId(f"file:{self.id}:{path}")

    def file_version(self, entry: Json) -> str:
        return f"{entry['sha']}.{digest(self.acl, self.branch)}"

    def file(self, entry: Json, data: bytes) -> RawRecord:
        path = str(entry["path"])
        payload = {"path": path, "branch": self.branch, **pack(data)}
        location = f"{self.name}/{path}"
        return self.record(self.file_item(path), "github.file", self.file_version(entry), location, payload)

    def commit_item(self, sha: str) -> ItemId:
        return ItemId(f"commit:{self.id}:{sha}")

    def commit_version(self) -> str:
        """A commit never changes: its version is that of its readers."""
        return digest(self.acl)

    def commit(self, commit: Json) -> RawRecord:
        sha = str(commit["sha"])
        location = f"{self.name}@{sha[:12]}"
        return self.record(self.commit_item(sha), "github.commit", self.commit_version(), location, {"commit": commit})


def principal(source: SourceName, kind: str, id: object) -> str:
    return f"{source}:{kind}:{id}"


def issue_item(issue: Json) -> ItemId:
    """The id that GitHub gives an issue, or the issue that every pull request is as well."""
    return ItemId(f"issue:{issue['id']}")


def release_item(release: Json) -> ItemId:
    return ItemId(f"release:{release['id']}")


def clean(value: Any) -> Any:
    """Without tokens and signed addresses, and without the copies of the repository in each pull request."""
    if isinstance(value, dict):
        return {key: clean(one) for key, one in value.items() if key not in _SECRET_KEYS and not _copy(key, value)}
    if isinstance(value, list):
        return [clean(one) for one in value]
    return unsigned(value) if isinstance(value, str) else value


def _copy(key: str, of: Mapping[str, Any]) -> bool:
    return key == "repo" and "label" in of and "ref" in of


def _seen(said: Json) -> list[Any]:
    keys = ("id", "body", "created_at", "submitted_at", "state", "path", "line", "original_line", "diff_hunk",
            "in_reply_to_id", "pull_request_review_id")  # fmt: skip
    return [_login(said), *(said.get(key) for key in keys)]


def _login(of: Json, key: str = "user") -> str:
    return str((of.get(key) or {}).get("login") or "")


def _inner(of: Json, key: str, inner: str) -> Any:
    return (of.get(key) or {}).get(inner)
