"""What GitHub keeps: accounts, repositories and what is in them, and how each shows as JSON.

Shapes as in the recorded answers of api.github.com (octokit/fixtures) and https://docs.github.com/en/rest.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any

Json = dict[str, Any]


def stamp(time: datetime | None) -> str | None:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ") if time else None


@dataclass
class Account:
    id: int
    login: str


@dataclass
class Organization:
    id: int
    login: str
    members: dict[int, Account] = field(default_factory=dict)


@dataclass
class Comment:
    id: int
    user: Account | None
    body: str
    created: datetime
    updated: datetime
    # of review comments only
    review: int = 0
    path: str = ""
    line: int | None = None
    hunk: str = ""
    reply_to: int | None = None


@dataclass
class Review:
    id: int
    user: Account | None
    body: str
    state: str
    submitted: datetime | None


@dataclass
class Issue:
    id: int
    number: int
    user: Account | None
    title: str
    body: str | None
    created: datetime
    updated: datetime
    state: str = "open"
    labels: list[str] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)
    pull: bool = False
    merged: datetime | None = None
    reviews: list[Review] = field(default_factory=list)
    review_comments: list[Comment] = field(default_factory=list)


@dataclass
class DiscussionComment:
    id: int
    user: Account | None
    body: str
    created: datetime
    answer: bool = False
    replies: list[DiscussionComment] = field(default_factory=list)


@dataclass
class Discussion:
    id: int
    number: int
    user: Account | None
    title: str
    body: str
    created: datetime
    updated: datetime
    comments: list[DiscussionComment] = field(default_factory=list)


@dataclass
class Asset:
    id: int
    name: str
    data: bytes
    updated: datetime


@dataclass
class Release:
    id: int
    tag: str
    name: str
    body: str
    author: Account
    created: datetime
    draft: bool = False
    assets: list[Asset] = field(default_factory=list)


@dataclass
class Commit:
    message: str
    author: Account
    date: datetime
    files: dict[str, bytes]
    parents: tuple[str, ...] = ()

    @property
    def sha(self) -> str:
        parts = [self.message, self.author.login, str(self.date), *self.parents]
        parts += [f"{path} {blob_sha(data)}" for path, data in sorted(self.files.items())]
        return hashlib.sha1("\n".join(parts).encode()).hexdigest()


@dataclass
class Repository:
    id: int
    owner: Organization | Account
    name: str
    visibility: str
    created: datetime
    collaborators: dict[int, Account] = field(default_factory=dict)
    issues: dict[int, Issue] = field(default_factory=dict)
    discussions: dict[int, Discussion] = field(default_factory=dict)
    releases: dict[int, Release] = field(default_factory=dict)
    commits: list[Commit] = field(default_factory=list)
    moved: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Number of a transferred issue ▸ repository and number that it has now."""
    gone: set[int] = field(default_factory=set)
    numbers: count[int] = field(default_factory=lambda: count(1))
    has_issues: bool = True
    has_wiki: bool = False
    archived: bool = False
    blocked: bool = False
    branch: str = "main"

    @property
    def full_name(self) -> str:
        return f"{self.owner.login}/{self.name}"


def blob_sha(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def tree_of(files: dict[str, bytes]) -> tuple[str, dict[str, list[Json]]]:
    """The sha of the root and the entries of every tree below it by sha."""
    trees: dict[str, list[Json]] = {}

    def build(prefix: str) -> str:
        entries, folders = [], set()
        for path, data in sorted(files.items()):
            if not path.startswith(prefix):
                continue
            name, slash, _ = path[len(prefix) :].partition("/")
            if slash:
                folders.add(name)
            else:
                entry = {"path": name, "mode": "100644", "type": "blob", "sha": blob_sha(data), "size": len(data)}
                entries.append(entry)
        entries += [
            {"path": name, "mode": "040000", "type": "tree", "sha": build(f"{prefix}{name}/")}
            for name in sorted(folders)
        ]
        sha = hashlib.sha1(repr((prefix, entries)).encode()).hexdigest()
        trees[sha] = entries
        return sha

    return build(""), trees


class Shown:
    """How things look in answers: `api` is the root of the REST API, `web` of the site."""

    def __init__(self, api: str, web: str) -> None:
        self._api = api
        self._web = web

    def account(self, account: Account | None) -> Json | None:
        if account is None:
            return None
        return {"login": account.login, "id": account.id, "node_id": f"U_{account.id}", "type": "User",
                "url": f"{self._api}/users/{account.login}", "html_url": f"{self._web}/{account.login}"}  # fmt: skip

    def repository(self, repo: Repository) -> Json:
        kind = "Organization" if isinstance(repo.owner, Organization) else "User"
        return {
            "id": repo.id, "node_id": f"R_{repo.id}", "name": repo.name, "full_name": repo.full_name,
            "private": repo.visibility != "public", "visibility": repo.visibility, "archived": repo.archived,
            "owner": {"login": repo.owner.login, "id": repo.owner.id, "type": kind}, "has_issues": repo.has_issues,
            "has_discussions": True, "has_wiki": repo.has_wiki, "disabled": False, "fork": False,
            "default_branch": repo.branch, "html_url": f"{self._web}/{repo.full_name}",
            "url": f"{self._api}/repos/{repo.full_name}", "created_at": stamp(repo.created),
            "temp_clone_token": "AAAA-SIGNED-CLONE-TOKEN",
            "permissions": {"admin": False, "push": True, "pull": True},
        }  # fmt: skip

    def issue(self, repo: Repository, issue: Issue) -> Json:
        where = "pull" if issue.pull else "issues"
        url = f"{self._api}/repos/{repo.full_name}"
        shown: Json = {
            "id": issue.id, "node_id": f"I_{issue.id}", "number": issue.number, "title": issue.title,
            "body": issue.body, "user": self.account(issue.user), "state": issue.state, "state_reason": None,
            "labels": [{"id": 1, "name": label, "color": "ededed"} for label in issue.labels], "assignees": [],
            "milestone": None, "comments": len(issue.comments), "created_at": stamp(issue.created),
            "updated_at": stamp(issue.updated), "closed_at": None, "url": f"{url}/issues/{issue.number}",
            "repository_url": url, "html_url": f"{self._web}/{repo.full_name}/{where}/{issue.number}",
            "locked": False, "author_association": "MEMBER",
        }  # fmt: skip
        if issue.pull:
            shown["draft"] = False
            shown["pull_request"] = {"url": f"{url}/pulls/{issue.number}", "merged_at": stamp(issue.merged)}
        return shown

    def pull(self, repo: Repository, issue: Issue) -> Json:
        return {
            "id": issue.id + 500_000, "number": issue.number, "title": issue.title, "body": issue.body,
            "state": issue.state, "user": self.account(issue.user), "merged_at": stamp(issue.merged),
            "draft": False, "created_at": stamp(issue.created), "updated_at": stamp(issue.updated),
            "head": {"label": f"{repo.owner.login}:topic", "ref": "topic", "repo": self.repository(repo)},
            "base": {"label": f"{repo.owner.login}:{repo.branch}", "ref": repo.branch, "repo": self.repository(repo)},
            "issue_url": f"{self._api}/repos/{repo.full_name}/issues/{issue.number}",
            "url": f"{self._api}/repos/{repo.full_name}/pulls/{issue.number}",
            "html_url": f"{self._web}/{repo.full_name}/pull/{issue.number}",
        }  # fmt: skip

    def whole_pull(self, repo: Repository, issue: Issue) -> Json:
        """Counts are only in the answer for one pull request."""
        return {**self.pull(repo, issue), "comments": len(issue.comments), "merged": issue.merged is not None,
                "review_comments": len(issue.review_comments), "commits": 1, "changed_files": 1}  # fmt: skip

    def comment(self, repo: Repository, issue: Issue, comment: Comment) -> Json:
        return {
            "id": comment.id, "node_id": f"IC_{comment.id}", "user": self.account(comment.user), "body": comment.body,
            "created_at": stamp(comment.created), "updated_at": stamp(comment.updated),
            "issue_url": f"{self._api}/repos/{repo.full_name}/issues/{issue.number}",
            "html_url": f"{self._web}/{repo.full_name}/issues/{issue.number}#issuecomment-{comment.id}",
        }  # fmt: skip

    def review_comment(self, repo: Repository, issue: Issue, comment: Comment) -> Json:
        shown: Json = {
            "id": comment.id, "node_id": f"PRRC_{comment.id}", "user": self.account(comment.user),
            "body": comment.body, "path": comment.path, "line": comment.line, "original_line": comment.line,
            "side": "RIGHT", "diff_hunk": comment.hunk, "pull_request_review_id": comment.review,
            "created_at": stamp(comment.created), "updated_at": stamp(comment.updated),
            "pull_request_url": f"{self._api}/repos/{repo.full_name}/pulls/{issue.number}",
            "html_url": f"{self._web}/{repo.full_name}/pull/{issue.number}#discussion_r{comment.id}",
        }  # fmt: skip
        if comment.reply_to:
            shown["in_reply_to_id"] = comment.reply_to
        return shown

    def review(self, repo: Repository, issue: Issue, review: Review) -> Json:
        shown: Json = {
            "id": review.id, "node_id": f"PRR_{review.id}", "user": self.account(review.user), "body": review.body,
            "state": review.state, "commit_id": "0" * 40,
            "html_url": f"{self._web}/{repo.full_name}/pull/{issue.number}#pullrequestreview-{review.id}",
        }  # fmt: skip
        if review.submitted:
            shown["submitted_at"] = stamp(review.submitted)
        return shown

    def release(self, repo: Repository, release: Release) -> Json:
        return {
            "id": release.id, "node_id": f"RE_{release.id}", "tag_name": release.tag, "name": release.name,
            "body": release.body, "draft": release.draft, "prerelease": False, "author": self.account(release.author),
            "created_at": stamp(release.created), "published_at": None if release.draft else stamp(release.created),
            "html_url": f"{self._web}/{repo.full_name}/releases/tag/{release.tag}",
            "assets": [self.asset(repo, asset) for asset in release.assets],
        }  # fmt: skip

    def asset(self, repo: Repository, asset: Asset) -> Json:
        return {
            "id": asset.id, "node_id": f"RA_{asset.id}", "name": asset.name, "size": len(asset.data),
            "state": "uploaded", "content_type": "text/plain", "download_count": 0,
            "created_at": stamp(asset.updated), "updated_at": stamp(asset.updated),
            "url": f"{self._api}/repos/{repo.full_name}/releases/assets/{asset.id}",
            "browser_download_url": f"{self._web}/{repo.full_name}/releases/download/v/{asset.name}",
        }  # fmt: skip

    def commit(self, repo: Repository, commit: Commit) -> Json:
        signed = {"name": commit.author.login, "email": "x@example.org", "date": stamp(commit.date)}
        return {
            "sha": commit.sha, "node_id": f"C_{commit.sha}", "author": self.account(commit.author),
            "commit": {"message": commit.message, "author": signed, "committer": signed,
                       "tree": {"sha": tree_of(commit.files)[0]}},
            "parents": [{"sha": sha} for sha in commit.parents],
            "html_url": f"{self._web}/{repo.full_name}/commit/{commit.sha}",
        }  # fmt: skip
