"""GitHub against a server that behaves as GitHub's documents say: random histories, and each trap by itself."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from typing import Any

from knowhub.core.secret import Secret
from knowhub.core.types import ANYONE, ContainerId, Document, ItemId, Principal, RawRecord, SourceName
from knowhub.formats.files import parse_file
from knowhub.sources.github import GitHubOptions, GitHubParser, GitHubSource
from tests.contracts.api_source import ApiSourceContract, ApiWorld, Marks, Seen, Truth
from tests.servers.github import TOKEN, GitHubServer, Quirks
from tests.servers.github_state import (
    Asset,
    Discussion,
    DiscussionComment,
    Issue,
    Release,
    Repository,
    Review,
)
from tests.servers.github_state import Comment as Remark
from tests.servers.kit import Asked, VirtualClock

NAME = SourceName("hub")
PEOPLE = ("ann", "bob", "cid", "dee")
_MARK = re.compile(r"mark\d+x")
LISTS = {"issues", "comments", "pulls", "releases", "trees", "graphql"}


class GitHubWorld:
    """An organisation with some repositories, and people who work in them."""

    def __init__(self, rng: random.Random, **options: Any) -> None:
        self.clock = VirtualClock()
        quirks = Quirks(
            strict_since=rng.random() < 0.5,
            touch_on_delete=rng.random() < 0.5,
            largest_review_page=rng.choice([2, 100]),
            largest_tree=rng.choice([3, 1000]),
        )
        self.server = GitHubServer(self.clock, quirks)
        self.server.hide_last = rng.random() < 0.2
        self.name = NAME
        self.secrets: tuple[str, ...] = (TOKEN, "AAAA-SIGNED-CLONE-TOKEN", "SIGNED")
        self.marks = Marks()
        self.options = {
            "census_hours": rng.choice([0, 24]), "page_size": rng.choice([3, 5, 100]), "files": ("*.md",),
            "commits": rng.random() < 0.3, **options,
        }  # fmt: skip
        self.acme = self.server.organization("acme", "ann", "bob", "cid")
        for name, visibility in (("alpha", "private"), ("beta", "public"), ("gamma", "internal")):
            repo = self.server.create(self.acme, name, visibility)
            repo.collaborators = {one.id: one for one in map(self.server.account, rng.sample(PEOPLE, 2))}
        for person in PEOPLE:
            self.server.account(person)
        for _ in range(14):
            self.change(rng)
            self.clock.advance(seconds=rng.choice([0, 0, 3, 100]))

    # ── for the contract ─────────────────────────────────────────────────────────────────────────────

    def source(self, **options: Any) -> GitHubSource:
        chosen = {"organizations": ("acme",), "token": Secret(TOKEN), **self.options, **options}
        return GitHubSource(self.name, GitHubOptions(base_url=self.server.api, **chosen), clock=self.clock)

    def parse(self, record: RawRecord, sequence: int) -> Document:
        return GitHubParser(parse_file)(record, sequence)

    def settle(self) -> None:
        self.clock.advance(hours=25)

    def page_of(self, asked: Asked) -> str | None:
        """Each list of a repository has pages of its own."""
        if asked.path.endswith("/graphql"):
            variables = asked.json["variables"]
            return f"graphql of {variables['name']}" if "name" in variables else None
        match [part for part in asked.path.replace("/repositories/", "/repos/acme/").split("/") if part][2:]:
            case ["repos", _, name, *rest] if asked.one("per_page") != "1" and not any(p.isdigit() for p in rest):
                return f"{rest} of {name}" if {*rest} & LISTS else None
        return None

    def idle_requests(self) -> int:
        """Seven or eight lists a repository, most of them answered by 304; a census every time is what it is."""
        each = 8 if self.options["census_hours"] else 40
        return 1 + each * len(self.server.repositories)

    def truth(self) -> Truth:
        items: dict[ItemId, Seen] = {}
        unreachable = set()
        for repo in self.server.repositories.values():
            if repo.blocked:
                unreachable.add(ContainerId(str(repo.id)))
            for id, texts, titles in self._items(repo):
                words = frozenset(_MARK.findall(" ".join(texts)))
                also = frozenset(_MARK.findall(" ".join(titles))) - words
                items[ItemId(id)] = Seen(ContainerId(str(repo.id)), words, self.readers(repo), also)
        closed = [repo for repo in self.server.repositories.values() if repo.visibility != "public"]
        readable = [repo for repo in closed if not repo.blocked]
        people = {one for repo in readable for one in self.readers(repo)} | {self.person(one) for one in self.members()}
        return Truth(items, frozenset(people), frozenset(unreachable))

    def members(self) -> list[int]:
        return list(self.acme.members)

    @staticmethod
    def person(id: int) -> Principal:
        return Principal(f"{NAME}:user:{id}")

    def readers(self, repo: Repository) -> frozenset[Principal]:
        if repo.visibility == "public":
            return frozenset((ANYONE,))
        ids = {*repo.collaborators, *(self.members() if repo.visibility == "internal" else ())}
        return frozenset(map(self.person, ids))

    def _items(self, repo: Repository) -> Iterator[tuple[str, list[str], list[str]]]:
        """Id, texts of which each stands there once, and titles."""
        for issue in repo.issues.values():
            if issue.pull or repo.has_issues:
                yield from self._issue(issue)
        for one in repo.discussions.values():
            replies = [reply.body for comment in one.comments for reply in comment.replies]
            yield f"discussion:{one.id}", [one.body, *(c.body for c in one.comments), *replies], [one.title]
        for release in (one for one in repo.releases.values() if not one.draft):
            yield f"release:{release.id}", [release.body], [release.name]
            for asset in release.assets:
                yield f"release:{release.id}:file:{asset.id}", [asset.data.decode()], []
        files = repo.commits[-1].files if repo.commits else {}
        for path in (path for path in files if path.endswith(".md")):
            yield f"file:{repo.id}:{path}", [files[path].decode()], []
        for commit in repo.commits if self.options["commits"] else ():
            yield f"commit:{repo.id}:{commit.sha}", [], [commit.message]

    @staticmethod
    def _issue(issue: Issue) -> Iterator[tuple[str, list[str], list[str]]]:
        said = [issue.body or "", *(one.body for one in (*issue.comments, *issue.review_comments))]
        said += [one.body for one in issue.reviews if one.state != "PENDING"]
        yield f"issue:{issue.id}", said, [issue.title]
        for text in (text for text in said if "/files/" in text):
            id, name = text.rpartition("/files/")[2].split("/")
            yield f"issue:{issue.id}:file:{id}", [name.split(".")[0]], []

    # ── what people do ───────────────────────────────────────────────────────────────────────────────

    def change(self, rng: random.Random) -> None:
        repo = rng.choice(list(self.server.repositories.values()))
        deeds = [self._open, self._open, self._remark, self._remark, self._edit, self._delete, self._review,
                 self._review, self._discuss, self._publish, self._push, self._push, self._move, self._settings,
                 self._people]  # fmt: skip
        rng.choice(deeds)(repo, rng)

    def _open(self, repo: Repository, rng: random.Random) -> None:
        by = rng.choice(PEOPLE)
        self.server.open(repo, by, f"Title {self.marks.fresh()}", self.marks.fresh(), pull=rng.random() < 0.5)

    def _some(self, repo: Repository, rng: random.Random, *, pull: bool = False) -> Issue | None:
        found = [one for one in repo.issues.values() if one.pull or not pull]
        return rng.choice(found) if found else None

    def _remark(self, repo: Repository, rng: random.Random) -> None:
        if issue := self._some(repo, rng):
            self.server.comment(issue, rng.choice(PEOPLE), self.marks.fresh())

    def _edit(self, repo: Repository, rng: random.Random) -> None:
        if not (issue := self._some(repo, rng)):
            return
        remarks = [*issue.comments, *issue.review_comments]
        match rng.randrange(4):
            case 0 if remarks:
                self.server.edit(rng.choice(remarks), self.marks.fresh())
            case 1:
                issue.title = f"Title {self.marks.fresh()}"
                self.server.touch(issue)
            case 2:
                issue.labels = [rng.choice(["bug", "idea"])]  # some changes leave the time alone
            case 3:
                id = next(self.server.ids)
                name = f"{self.marks.fresh()}.txt"
                self.server.attached[f"{id}-{name}"] = name.split(".")[0].encode()
                self.server.attached_to[f"{id}-{name}"] = issue
                issue.body = f"{self.server.url}/user-attachments/files/{id}/{name}" if self.server.running else "x"
                self.server.touch(issue)

    def _delete(self, repo: Repository, rng: random.Random) -> None:
        if issue := self._some(repo, rng):
            remarks = [*issue.comments, *issue.review_comments]
            if remarks and rng.random() < 0.7:
                self.server.delete_comment(issue, rng.choice(remarks))
            elif len(repo.issues) > 2 and not issue.pull:
                self.server.delete_issue(repo, issue.number)

    def _review(self, repo: Repository, rng: random.Random) -> None:
        if not (issue := self._some(repo, rng, pull=True)):
            return
        by, now = self.server.account(rng.choice(PEOPLE)), self.clock.now()
        state = rng.choice(["APPROVED", "COMMENTED", "CHANGES_REQUESTED", "PENDING"])
        review = Review(next(self.server.ids), by, self.marks.fresh(), state, None if state == "PENDING" else now)
        issue.reviews.append(review)
        if state == "PENDING":
            return
        self.server.touch(issue)
        for _ in range(rng.randrange(3)):
            threads = [one.id for one in issue.review_comments if not one.reply_to]
            reply_to = rng.choice(threads) if threads and rng.random() < 0.5 else None
            remark = Remark(next(self.server.ids), by, self.marks.fresh(), now, now, review.id, "src/a.py", 3,
                            "@@ -1,2 +1,3 @@\n-old\n+new", reply_to)  # fmt: skip
            issue.review_comments.append(remark)

    def _discuss(self, repo: Repository, rng: random.Random) -> None:
        by, now = self.server.account(rng.choice(PEOPLE)), self.clock.now()
        found = list(repo.discussions.values())
        if not found or rng.random() < 0.3:
            title, number = f"Title {self.marks.fresh()}", next(repo.numbers)
            made = Discussion(next(self.server.ids), number, by, title, self.marks.fresh(), now, now)
            repo.discussions[made.number] = made
            return
        one = rng.choice(found)
        remark = DiscussionComment(next(self.server.ids), by, self.marks.fresh(), now)
        match rng.randrange(5):
            case 0:
                one.comments.append(remark)
                one.updated = now
            case 1 if one.comments:
                rng.choice(one.comments).replies.append(remark)
                one.updated = now
            case 2 if one.comments:
                one.comments.remove(rng.choice(one.comments))
            case 3 if one.comments:
                rng.choice(one.comments).body = self.marks.fresh()
            case 4 if len(found) > 1:
                del repo.discussions[one.number]

    def _publish(self, repo: Repository, rng: random.Random) -> None:
        ids, now, found = self.server.ids, self.clock.now(), list(repo.releases.values())
        if not found or rng.random() < 0.4:
            mark, by = self.marks.fresh(), self.server.account("ann")
            asset = Asset(next(ids), "notes.txt", self.marks.fresh().encode(), now)
            made = Release(next(ids), f"v{next(ids)}", f"Release {self.marks.fresh()}", mark, by, now,
                           rng.random() < 0.2, [asset] if rng.random() < 0.5 else [])  # fmt: skip
            repo.releases[made.id] = made
        elif rng.random() < 0.7:
            rng.choice(found).body = self.marks.fresh()
        elif len(found) > 1:
            del repo.releases[rng.choice(found).id]

    def _push(self, repo: Repository, rng: random.Random) -> None:
        files = dict(repo.commits[-1].files) if repo.commits else {}
        path = rng.choice(["README.md", "docs/a.md", "docs/deep/b.md", "docs/c.md", "src/x.py", "logo.png"])
        if path in files and rng.random() < 0.3:
            del files[path]
        else:
            files[path] = self.marks.fresh().encode()
        if len(repo.commits) > 1 and rng.random() < 0.15:
            repo.commits.pop()  # history is rewritten
        self.server.commit(repo, rng.choice(PEOPLE), f"Change {self.marks.fresh()}", files)

    def _move(self, repo: Repository, rng: random.Random) -> None:
        issue = self._some(repo, rng)
        if issue is None or issue.pull or len(repo.issues) < 3:
            return
        other = rng.choice(list(self.server.repositories.values()))
        if other is not repo and rng.random() < 0.6:
            self.server.transfer(repo, issue.number, other)
        else:
            self.server.convert(repo, issue.number)

    def _settings(self, repo: Repository, rng: random.Random) -> None:
        match rng.randrange(5):
            case 0:
                self.server.rename(repo, f"{repo.name.split('-')[0]}-{next(self.server.ids)}")
            case 1:
                repo.visibility = rng.choice(["public", "private", "internal"])
            case 2:
                repo.archived = not repo.archived
            case 3:
                repo.blocked = not repo.blocked and rng.random() < 0.5
            case 4:
                repo.has_issues = not repo.has_issues or rng.random() < 0.5

    def _people(self, repo: Repository, rng: random.Random) -> None:
        one = self.server.account(rng.choice(PEOPLE))
        holds: dict[int, Any] = rng.choice([repo.collaborators, self.acme.members])
        if one.id in holds and len(holds) > 1:
            del holds[one.id]
        else:
            holds[one.id] = one


class TestGithub(ApiSourceContract):
    def world(self, rng: random.Random) -> ApiWorld:
        return GitHubWorld(rng)
