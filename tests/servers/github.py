"""GitHub as https://docs.github.com/en/rest and /graphql describe it, on loopback: Enterprise Server's addresses.

`/api/v3` is the REST API, `/api/graphql` the other one, `/` the site. Awkward sides that the connector must survive:
pages by number over lists that change, 301 for renamed repositories and transferred issues, 304 by `If-None-Match`
with an ETag of the body alone, secondary limits as 403 with and without `Retry-After`, 502 for large pages of review
comments, 422 beyond a depth, truncated trees, pending reviews, edits of comments that leave the issue's time alone.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from urllib.parse import urlencode

from tests.servers.github_graphql import GraphqlError, connection, execute
from tests.servers.github_state import (
    Account,
    Asset,
    Comment,
    Commit,
    Discussion,
    DiscussionComment,
    Issue,
    Json,
    Organization,
    Release,
    Repository,
    Shown,
    blob_sha,
    stamp,
    tree_of,
)
from tests.servers.kit import Answer, Asked, SimulatedApi, VirtualClock

TOKEN = "github_pat_11AAAAAAA0123456789abcdefghij"
_STATES = ("open", "closed", "all")
_NOT_FOUND = {"message": "Not Found", "documentation_url": "https://docs.github.com/rest", "status": "404"}


@dataclass(frozen=True)
class Quirks:
    """`strict_since` True: `since` leaves out what changed in that very second. `touch_on_delete`: deleting a comment
    changes the issue's `updated_at`. `largest_review_page`: larger pages of review comments end in 502."""

    strict_since: bool = False
    touch_on_delete: bool = True
    largest_review_page: int = 100
    deepest: int = 10_000
    largest_tree: int = 100_000


class GitHubServer(SimulatedApi):
    def __init__(self, clock: VirtualClock, quirks: Quirks | None = None) -> None:
        super().__init__(clock)
        self.quirks = quirks or Quirks()
        self.organizations: dict[str, Organization] = {}
        self.accounts: dict[str, Account] = {}
        self.repositories: dict[int, Repository] = {}
        self.former: dict[str, int] = {}
        self.attached: dict[str, bytes] = {}
        self.attached_to: dict[str, Issue] = {}
        """Where some of `attached` hang: those in public repositories the site gives to anybody."""
        self.hide_branches = False
        self.private_mode = False
        """Enterprise Server shows nothing to those who do not sign in, public repositories neither."""
        self.tokens: dict[str, datetime | None] = {TOKEN: None}
        self.missing_scopes: set[str] = set()
        """Of `collaborators`, `pulls`, `discussions`, `contents`: refused with 403."""
        self.hide_last = False
        self.unreadable: set[int] = set()
        """Numbers of issues that end in 500 when they are asked for by themselves."""
        self.unlisted: set[int] = set()
        """Ids that pages of lists leave out and their last page's number counts."""
        self.scopes: str | None = None
        """Of a classic token; None: a fine-grained one."""
        self.behind_sso: set[int] = set()
        self.shows_address: set[str] = set()
        self.app_key = ""
        """Public key of the app with id 77, installed as 99; "" if there is none."""
        self.ids = count(1001)
        self.spent = 0
        self.not_modified = 0

    # ── what people do ───────────────────────────────────────────────────────────────────────────────

    def account(self, login: str) -> Account:
        return self.accounts.setdefault(login, Account(next(self.ids), login))

    def organization(self, login: str, *members: str) -> Organization:
        found = self.organizations.setdefault(login, Organization(next(self.ids), login))
        found.members.update({one.id: one for one in map(self.account, members)})
        return found

    def create(self, owner: Organization | Account, name: str, visibility: str = "private") -> Repository:
        repo = Repository(next(self.ids), owner, name, visibility, self.clock.now())
        self.repositories[repo.id] = repo
        return repo

    def rename(self, repo: Repository, name: str) -> None:
        self.former[repo.full_name.lower()] = repo.id
        repo.name = name
        self.former.pop(repo.full_name.lower(), None)

    def open(self, repo: Repository, by: str, title: str, body: str, *, pull: bool = False) -> Issue:
        now = self.clock.now()
        issue = Issue(next(self.ids), next(repo.numbers), self.account(by), title, body, now, now, pull=pull)
        repo.issues[issue.number] = issue
        return issue

    def touch(self, issue: Issue) -> None:
        issue.updated = self.clock.now()

    def comment(self, issue: Issue, by: str, body: str) -> Comment:
        now = self.clock.now()
        comment = Comment(next(self.ids), self.account(by), body, now, now)
        issue.comments.append(comment)
        self.touch(issue)
        return comment

    def edit(self, comment: Comment, body: str) -> None:
        """An edit changes the comment's `updated_at` only."""
        comment.body, comment.updated = body, self.clock.now()

    def delete_comment(self, issue: Issue, comment: Comment) -> None:
        (issue.comments if comment in issue.comments else issue.review_comments).remove(comment)
        if self.quirks.touch_on_delete:
            self.touch(issue)

    def commit(self, repo: Repository, by: str, message: str, files: dict[str, bytes]) -> Commit:
        before = (repo.commits[-1].sha,) if repo.commits else ()
        made = Commit(message, self.account(by), self.clock.now(), files, before)
        repo.commits.append(made)
        return made

    def transfer(self, repo: Repository, number: int, to: Repository) -> Issue:
        """The issue gets a number and an id of its own over there; the old address redirects."""
        issue = repo.issues.pop(number)
        issue.id, issue.number = next(self.ids), next(to.numbers)
        repo.moved[number] = (to.id, issue.number)
        to.issues[issue.number] = issue
        self.touch(issue)
        return issue

    def convert(self, repo: Repository, number: int) -> Discussion:
        issue, now = repo.issues.pop(number), self.clock.now()
        repo.gone.add(number)
        discussion = Discussion(next(self.ids), number, issue.user, issue.title, issue.body or "", issue.created, now)
        for one in issue.comments:
            discussion.comments.append(DiscussionComment(next(self.ids), one.user, one.body, one.created))
        repo.discussions[number] = discussion
        return discussion

    def delete_issue(self, repo: Repository, number: int) -> None:
        del repo.issues[number]
        repo.gone.add(number)

    # ── requests ─────────────────────────────────────────────────────────────────────────────────────

    @property
    def running(self) -> bool:
        return self._server is not None

    @property
    def elsewhere(self) -> str:
        """Another host, for signed addresses, where no token may go."""
        return self.url.replace("127.0.0.1", "localhost")

    @property
    def api(self) -> str:
        return f"{self.url}/api/v3"

    @property
    def shown(self) -> Shown:
        return Shown(self.api, self.url)

    def too_fast(self, wait_s: float) -> Answer:
        """https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api"""
        message = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
        headers = {"Retry-After": str(int(wait_s) + 1)} if wait_s else {}
        return Answer({"message": message, "documentation_url": "https://docs.github.com/rest"}, 403, headers)

    def answer_unauthorised(self) -> Answer:
        return Answer({"message": "Bad credentials", "status": "401"}, 401)

    def answer(self, asked: Asked) -> Answer:
        token = asked.headers.get("authorization", "").removeprefix("Bearer ").removeprefix("token ")
        match asked.parts:
            case ["signed", name] if asked.one("sig") == "SIGNED" and not token:
                return Answer(body=self.attached[name], content_type="application/octet-stream")
            case ["api", "v3", "app", *rest]:
                return self._app(token, rest, asked)
            case ["user-attachments", "files", id, name] if not token or token in self.tokens:
                return self._attachment(f"{id}-{name}", signed_in=bool(token))
        if not token and asked.parts[:3] == ["api", "v3", "repos"] and not self.private_mode:
            public = [one.full_name for one in self.repositories.values() if one.visibility == "public"]
            known = "/".join(asked.parts[3:5]) in public
            return self._conditional(asked, self._rest(asked, asked.parts[2:])) if known else Answer(_NOT_FOUND, 404)
        if token not in self.tokens or ((until := self.tokens[token]) and until <= self.clock.now()):
            return self.answer_unauthorised()
        if asked.headers.get("user-agent", "") == "":
            return Answer({"message": "Request forbidden by administrative rules"}, 403)
        match asked.parts:
            case ["api", "graphql"]:
                return self._graphql(asked)
            case ["api", "v3", *rest]:
                if asked.headers.get("x-github-api-version") != "2022-11-28":
                    return Answer({"message": "Bad API version"}, 400)
                return self._conditional(asked, self._rest(asked, rest))
        return Answer(_NOT_FOUND, 404)

    def _attachment(self, file: str, *, signed_in: bool) -> Answer:
        public = (repo for repo in self.repositories.values() if repo.visibility == "public")
        is_open = any(self.attached_to.get(file) is one for repo in public for one in repo.issues.values())
        if file not in self.attached or not (signed_in or is_open):
            return Answer(_NOT_FOUND, 404)
        return Answer(status=302, headers={"Location": f"{self.elsewhere}/signed/{file}?sig=SIGNED"})

    def _conditional(self, asked: Asked, answer: Answer) -> Answer:
        if answer.status != 200 or answer.body is not None:
            self.spent += 1
            return answer
        etag = f'W/"{hashlib.sha256(json.dumps(answer.data).encode()).hexdigest()}"'
        # The Link header is no part of the body: a 304 says nothing about the number of pages.
        if asked.headers.get("if-none-match") == etag:
            self.not_modified += 1
            return Answer(status=304, headers={"ETag": etag})
        self.spent += 1
        return Answer(answer.data, 200, {**answer.headers, "ETag": etag})

    def _app(self, token: str, rest: list[str], asked: Asked) -> Answer:
        """https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app"""
        import jwt

        try:
            claims = jwt.decode(token, self.app_key, algorithms=["RS256"], options={"verify_exp": False,
                                "verify_iat": False})  # fmt: skip
        except jwt.InvalidTokenError:
            return Answer({"message": "A JSON web token could not be decoded"}, 401)
        now = self.clock.now().timestamp()
        if claims.get("iss") != "77" or not claims["iat"] <= now < claims["exp"] <= now + 600:
            return Answer({"message": "'Expiration time' claim ('exp') is too far in the future"}, 401)
        if rest == ["installations"]:
            return Answer([{"id": 99, "account": {"login": "acme"}}])
        if asked.method == "POST" and rest == ["installations", "99", "access_tokens"]:
            until = self.clock.now() + timedelta(hours=1)
            made = f"ghs_installation{next(self.ids)}"
            self.tokens[made] = until
            return Answer({"token": made, "expires_at": stamp(until)}, 201)
        return Answer(_NOT_FOUND, 404)

    def _rest(self, asked: Asked, parts: list[str]) -> Answer:
        match parts:
            case ["user"]:
                return Answer(self.shown.account(self.account("hub-bot")))
            case ["rate_limit"]:
                headers = {} if self.scopes is None else {"X-OAuth-Scopes": self.scopes}
                return Answer({"resources": {"core": {"limit": 5000, "remaining": 4999}}}, headers=headers)
            case ["user", "repos"] | ["orgs", _, "repos"]:
                org = parts[1].lower() if parts[0] == "orgs" else ""
                if org and org not in {name.lower() for name in self.organizations}:
                    return Answer(_NOT_FOUND, 404)
                found = [r for r in self.repositories.values() if not org or r.owner.login.lower() == org]
                shown = [r for r in found if r.id not in self.behind_sso]
                page = self._page(asked, [self.shown.repository(repo) for repo in shown])
                hidden = {"X-GitHub-SSO": "partial-results; organizations=21955855"} if len(shown) < len(found) else {}
                return Answer(page.data, headers={**page.headers, **hidden})
            case ["installation", "repositories"]:
                listed = self._page(asked, [self.shown.repository(repo) for repo in self.repositories.values()])
                data = {"total_count": len(self.repositories), "repositories": listed.data}
                return Answer(data, headers=listed.headers)
            case ["orgs", login] if login in self.organizations:
                return Answer({"login": login, "id": self.organizations[login].id})
            case ["orgs", login, "members"] if login in self.organizations:
                members = self.organizations[login].members.values()
                return self._page(asked, [self.shown.account(one) for one in members])
            case ["repos", owner, name, *rest]:
                return self._named(asked, f"{owner}/{name}", rest)
            case ["repositories", id, *rest] if id.isdigit() and int(id) in self.repositories:
                return self._repository(asked, self.repositories[int(id)], rest)
        return Answer(_NOT_FOUND, 404)

    def _named(self, asked: Asked, full_name: str, rest: list[str]) -> Answer:
        for repo in self.repositories.values():
            if repo.full_name.lower() == full_name.lower():
                return self._repository(asked, repo, rest)
        if (id := self.former.get(full_name.lower())) in self.repositories:
            return self._moved("/".join([f"{self.api}/repositories/{id}", *rest]), asked)
        return Answer(_NOT_FOUND, 404)

    def _moved(self, url: str, asked: Asked) -> Answer:
        query = urlencode([(name, value) for name, values in asked.query.items() for value in values])
        target = f"{url}?{query}" if query else url
        return Answer({"message": "Moved Permanently", "url": target}, 301, {"Location": target})

    def _repository(self, asked: Asked, repo: Repository, rest: list[str]) -> Answer:
        if repo.blocked:
            return Answer({"message": "Repository access blocked", "block": {"reason": "unavailable"}}, 403)
        if refused := self._scope(rest):
            return refused
        match rest:
            case []:
                return Answer(self.shown.repository(repo))
            case ["collaborators"]:
                people = {**repo.collaborators}
                if isinstance(repo.owner, Organization) and repo.visibility != "private":
                    people |= repo.owner.members
                shown = [{**(self.shown.account(one) or {}), "permissions": {"pull": True}} for one in people.values()]
                return self._page(asked, shown)
            case ["issues", *more]:
                return self._issues(asked, repo, more)
            case ["pulls", *more]:
                return self._pulls(asked, repo, more)
            case ["releases", *more]:
                return self._releases(asked, repo, more)
        return self._git(asked, repo, rest)

    def _releases(self, asked: Asked, repo: Repository, rest: list[str]) -> Answer:
        match rest:
            case []:
                found = sorted(repo.releases.values(), key=lambda one: (one.created, one.id), reverse=True)
                return self._page(asked, [self.shown.release(repo, one) for one in found])
            case [id] if id.isdigit() and int(id) in repo.releases:
                return Answer(self.shown.release(repo, repo.releases[int(id)]))
            case ["assets", id]:
                return self._asset(asked, repo, int(id))
        return Answer(_NOT_FOUND, 404)

    def _scope(self, rest: list[str]) -> Answer | None:
        needed = {"collaborators": "collaborators", "pulls": "pulls", "git": "contents", "commits": "contents"}
        if rest and needed.get(rest[0]) in self.missing_scopes:
            headers = {"X-Accepted-GitHub-Permissions": f"{needed[rest[0]]}=read"}
            return Answer({"message": "Resource not accessible by personal access token"}, 403, headers)
        return None

    # ── issues and pull requests ─────────────────────────────────────────────────────────────────────

    def _issues(self, asked: Asked, repo: Repository, rest: list[str]) -> Answer:
        show = self.shown
        match rest:
            case []:
                if not repo.has_issues:
                    return Answer({"message": "Issues are disabled for this repo"}, 410)
                return self._listing(asked, list(repo.issues.values()), lambda one: show.issue(repo, one))
            case ["comments"]:
                pairs = [(one, issue) for issue in repo.issues.values() for one in issue.comments]
                of = {one.id: issue for one, issue in pairs}
                return self._listing(asked, [p[0] for p in pairs], lambda one: show.comment(repo, of[one.id], one))
            case [number, *more] if number.isdigit():
                return self._issue(asked, repo, int(number), more)
        return Answer(_NOT_FOUND, 404)

    def _issue(self, asked: Asked, repo: Repository, number: int, rest: list[str]) -> Answer:
        if number in repo.moved:
            other, now = repo.moved[number]
            return self._moved("/".join([f"{self.api}/repositories/{other}/issues/{now}", *rest]), asked)
        if number in repo.gone:
            return Answer({"message": "This issue was deleted"}, 410)
        if number in self.unreadable and not rest:
            return Answer({"message": "Server Error"}, 500)
        issue = repo.issues.get(number)
        if issue is None or (not repo.has_issues and not issue.pull):
            return Answer(_NOT_FOUND, 404)
        if rest == ["comments"]:
            return self._page(asked, [self.shown.comment(repo, issue, one) for one in issue.comments])
        return Answer(self.shown.issue(repo, issue)) if not rest else Answer(_NOT_FOUND, 404)

    def _pulls(self, asked: Asked, repo: Repository, rest: list[str]) -> Answer:
        show = self.shown
        pulls = {number: one for number, one in repo.issues.items() if one.pull}
        match rest:
            case []:
                return self._listing(asked, list(pulls.values()), lambda one: show.pull(repo, one), since=False)
            case ["comments"]:
                if asked.number("per_page", 30) > self.quirks.largest_review_page:
                    return Answer({"message": "Server Error"}, 502)
                of = {one.id: (one, issue) for issue in pulls.values() for one in issue.review_comments}
                listed = [one for one, _ in of.values()]
                return self._listing(asked, listed, lambda one: show.review_comment(repo, of[one.id][1], one))
            case [number] if number.isdigit() and int(number) in pulls:
                return Answer(show.whole_pull(repo, pulls[int(number)]))
            case [number, "reviews"] if number.isdigit() and int(number) in pulls:
                issue = pulls[int(number)]
                return self._page(asked, [show.review(repo, issue, one) for one in issue.reviews])
            case [number, "comments"] if number.isdigit() and int(number) in pulls:
                issue = pulls[int(number)]
                if asked.number("per_page", 30) > self.quirks.largest_review_page:
                    return Answer({"message": "Server Error"}, 502)
                return self._page(asked, [show.review_comment(repo, issue, one) for one in issue.review_comments])
        return Answer(_NOT_FOUND, 404)

    def _listing(self, asked: Asked, found: list[Any], shown: Callable[[Any], Json], *, since: bool = True) -> Answer:
        """`state`, `since`, `sort` and `direction` as on /rest/issues/issues#list-repository-issues."""
        sort, direction, state = asked.one("sort", "created"), asked.one("direction"), asked.one("state", "open")
        if sort not in ("created", "updated", "comments") or direction not in ("", "asc", "desc"):
            return Answer({"message": "Validation Failed", "errors": [{"field": "sort", "code": "invalid"}]}, 422)
        if state not in _STATES:
            return Answer({"message": "Validation Failed", "errors": [{"field": "state", "code": "invalid"}]}, 422)
        if found and isinstance(found[0], Issue) and state != "all":
            found = [one for one in found if one.state == state]
        if since and (text := asked.one("since")):
            try:
                floor = datetime.fromisoformat(text)
            except ValueError:
                return Answer({"message": "Invalid request. `since` is not a date"}, 422)
            strict = self.quirks.strict_since
            found = [
                one for one in found if (_second(one.updated) > floor if strict else _second(one.updated) >= floor)
            ]
        found.sort(key=lambda one: (one.updated if sort == "updated" else one.created, one.id))
        if direction != "asc":
            found.reverse()
        return self._page(asked, found, shown)

    def _page(self, asked: Asked, found: list[Any], shown: Callable[[Any], Json] | None = None) -> Answer:
        size = max(1, min(100, asked.number("per_page", 30)))
        page = max(1, asked.number("page", 1))
        if page > 1 and page * size > self.quirks.deepest:
            message = "In order to keep the API fast for everyone, pagination is limited for this resource."
            return Answer({"message": message}, 422)
        data = [one for one in found[(page - 1) * size : page * size] if getattr(one, "id", 0) not in self.unlisted]
        last = max(1, -(-len(found) // size))
        rels = {"prev": page - 1, "next": page + 1, "last": last, "first": 1}
        rels = {name: n for name, n in rels.items() if (n < page if name in ("prev", "first") else page < n <= last)}
        if self.hide_last:
            rels.pop("last", None)
        links = ", ".join(f'<{self._link(asked, n)}>; rel="{name}"' for name, n in rels.items())
        return Answer([shown(one) for one in data] if shown else data, headers={"Link": links} if links else {})

    def _link(self, asked: Asked, page: int) -> str:
        query = {name: values[-1] for name, values in asked.query.items()} | {"page": str(page)}
        return f"{self.url}{asked.path}?{urlencode(query)}"

    # ── git ──────────────────────────────────────────────────────────────────────────────────────────

    def _asset(self, asked: Asked, repo: Repository, id: int) -> Answer:
        asset = next((one for r in repo.releases.values() for one in r.assets if one.id == id), None)
        if asset is None:
            return Answer(_NOT_FOUND, 404)
        if asked.headers.get("accept") != "application/octet-stream":
            return Answer(self.shown.asset(repo, asset))
        self.attached[f"asset{id}"] = asset.data
        return Answer(status=302, headers={"Location": f"{self.elsewhere}/signed/asset{id}?sig=SIGNED"})

    def _git(self, asked: Asked, repo: Repository, rest: list[str]) -> Answer:
        head = repo.commits[-1] if repo.commits else None
        by_sha = {one.sha: one for one in repo.commits}
        match rest:
            case ["git", *_] | ["commits", *_] if head is None:
                return Answer({"message": "Git Repository is empty."}, 409)
            case ["git", "ref", "heads", branch]:
                if branch != repo.branch or head is None or self.hide_branches:
                    return Answer(_NOT_FOUND, 404)
                return Answer({"ref": f"refs/heads/{branch}", "object": {"type": "commit", "sha": head.sha}})
            case ["git", "trees", sha]:
                return self._tree(asked, repo, sha)
            case ["git", "blobs", sha]:
                blobs = {blob_sha(data): data for one in repo.commits for data in one.files.values()}
                if sha not in blobs:
                    return Answer(_NOT_FOUND, 404)
                content = base64.encodebytes(blobs[sha]).decode()
                return Answer({"sha": sha, "size": len(blobs[sha]), "encoding": "base64", "content": content})
            case ["commits"]:
                return self._page(asked, [self.shown.commit(repo, one) for one in reversed(self._until(asked, repo))])
            case ["commits", sha] if sha in by_sha:
                return Answer(self._whole_commit(repo, by_sha[sha]))
            case ["compare", span]:
                return self._compare(asked, repo, *span.split("...", 1))
        return Answer(_NOT_FOUND, 404)

    def _until(self, asked: Asked, repo: Repository) -> list[Commit]:
        shas = [one.sha for one in repo.commits]
        start = asked.one("sha")
        found = repo.commits[: shas.index(start) + 1] if start in shas else repo.commits
        since = asked.one("since")
        return [one for one in found if not since or one.date >= datetime.fromisoformat(since)]

    def _tree(self, asked: Asked, repo: Repository, sha: str) -> Answer:
        for commit in repo.commits:
            root, trees = tree_of(commit.files)
            found = root if sha == commit.sha else sha
            if found in trees:
                recursive = asked.one("recursive")
                entries = self._flat(found, trees) if recursive else trees[found]
                cut = entries[: self.quirks.largest_tree] if recursive else entries
                return Answer({"sha": found, "tree": cut, "truncated": len(cut) < len(entries)})
        return Answer(_NOT_FOUND, 404)

    def _flat(self, sha: str, trees: Mapping[str, list[Json]], prefix: str = "") -> list[Json]:
        found = []
        for entry in trees[sha]:
            found.append({**entry, "path": prefix + entry["path"]})
            if entry["type"] == "tree":
                found += self._flat(entry["sha"], trees, f"{prefix}{entry['path']}/")
        return found

    def _whole_commit(self, repo: Repository, commit: Commit) -> Json:
        before = next((one.files for one in repo.commits if (one.sha,) == commit.parents), {})
        files = []
        for path in sorted(before.keys() | commit.files.keys()):
            old, new = before.get(path), commit.files.get(path)
            if old != new:
                status = "added" if old is None else "removed" if new is None else "modified"
                files.append(
                    {"filename": path, "status": status, "additions": 1, "deletions": 0, "patch": "@@ -0 +1 @@"}
                )
        return {**self.shown.commit(repo, commit), "files": files, "stats": {"total": len(files)}}

    def _compare(self, asked: Asked, repo: Repository, base: str, head: str) -> Answer:
        shas = [one.sha for one in repo.commits]
        if base not in shas or head not in shas:
            return Answer(_NOT_FOUND, 404)
        new = repo.commits[shas.index(base) + 1 : shas.index(head) + 1]
        listed = self._page(asked, [self.shown.commit(repo, one) for one in new])
        data = {"status": "ahead" if new else "identical", "total_commits": len(new), "commits": listed.data}
        return Answer(data, headers=listed.headers)

    # ── discussions ──────────────────────────────────────────────────────────────────────────────────

    def _graphql(self, asked: Asked) -> Answer:
        body = asked.json
        self.spent += 1
        try:
            root = {
                "repository": self._graphql_repository, "node": self._graphql_node, "nodes": self._graphql_people
            }  # fmt: skip
            data = execute(body["query"], body.get("variables") or {}, root)
        except GraphqlError as error:
            return Answer({"data": None, "errors": [{"message": str(error)}]})
        errors = []
        if data.get("repository", 0) is None:
            errors.append({"type": "NOT_FOUND", "path": ["repository"], "message": "Could not resolve to a Repository"})
        elif "repository" in data and "discussions" in self.missing_scopes:
            data["repository"]["discussions"] = None
            errors.append({"type": "FORBIDDEN", "path": ["repository", "discussions"],
                           "message": "Resource not accessible by personal access token"})  # fmt: skip
        return Answer({"data": data, **({"errors": errors} if errors else {})})

    def _graphql_repository(self, arguments: Mapping[str, Any]) -> Json | None:
        name = f"{arguments['owner']}/{arguments['name']}".lower()
        id = next(
            (one.id for one in self.repositories.values() if one.full_name.lower() == name), self.former.get(name)
        )
        repo = self.repositories.get(id or 0)
        if repo is None or repo.blocked:
            return None

        def discussions(arguments: Mapping[str, Any]) -> Json:
            order = arguments.get("orderBy") or {"field": "UPDATED_AT", "direction": "DESC"}
            updated = order["field"] == "UPDATED_AT"
            found = sorted(repo.discussions.values(), key=lambda one: (one.updated if updated else one.created, one.id))
            if order["direction"] == "DESC":
                found.reverse()
            return connection([self._discussion(repo, one) for one in found], arguments)

        return {"databaseId": repo.id, "discussions": discussions}

    def _discussion(self, repo: Repository, one: Discussion) -> Json:
        answered = any(c.answer or any(r.answer for r in c.replies) for c in one.comments)
        return {
            "id": f"D_{one.id}", "databaseId": one.id, "number": one.number, "title": one.title, "body": one.body,
            "url": f"{self.url}/{repo.full_name}/discussions/{one.number}", "createdAt": stamp(one.created),
            "updatedAt": stamp(one.updated), "isAnswered": answered, "closed": False,
            "author": {"login": one.user.login} if one.user else None, "category": {"name": "Q&A"},
            "labels": lambda arguments: connection([], arguments), "poll": None,
            "comments": lambda arguments: connection([self._remark(c) for c in one.comments], arguments),
        }  # fmt: skip

    def _remark(self, one: DiscussionComment) -> Json:
        return {
            "id": f"DC_{one.id}", "databaseId": one.id, "body": one.body, "isAnswer": one.answer,
            "createdAt": stamp(one.created), "author": {"login": one.user.login} if one.user else None,
            "replies": lambda arguments: connection([self._remark(reply) for reply in one.replies], arguments),
        }  # fmt: skip

    def _graphql_people(self, arguments: Mapping[str, Any]) -> list[Json | None]:
        """https://docs.github.com/en/graphql/reference/objects#user: addresses need a scope, and consent."""
        if "user:email" in self.missing_scopes:
            raise GraphqlError(
                "Your token has not been granted the required scopes: the 'email' field requires user:email"
            )
        by_node = {f"U_{one.id}": one for one in self.accounts.values()}
        return [self._profile(by_node[id]) if id in by_node else None for id in arguments["ids"]]

    def _profile(self, one: Account) -> Json:
        def verified(arguments: Mapping[str, Any]) -> list[str]:
            found = self.organizations.get(arguments["login"])
            return [f"{one.login}@acme.example"] if found and one.id in found.members else []

        public = f"{one.login}@home.example" if one.login in self.shows_address else ""
        return {"databaseId": one.id, "name": one.login.title(), "email": public,
                "organizationVerifiedDomainEmails": verified}  # fmt: skip

    def _graphql_node(self, arguments: Mapping[str, Any]) -> Json | None:
        for repo in self.repositories.values():
            for one in repo.discussions.values():
                if arguments["id"] == f"D_{one.id}":
                    return self._discussion(repo, one)
                for remark in one.comments:
                    if arguments["id"] == f"DC_{remark.id}":
                        return self._remark(remark)
        return None


def _second(time: datetime) -> datetime:
    return time.replace(microsecond=0).astimezone(UTC)


__all__ = ["TOKEN", "Asset", "GitHubServer", "Quirks", "Release"]
