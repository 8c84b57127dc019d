"""GitLab's REST API v4 as https://docs.gitlab.com/api/rest/ describes it, over projects that live in this process.

Lists are cut into pages of at most 100 (`most_per_page` lets tests have small ones). Offset pages shift when records
come and go; `X-Total` is left out beyond `counted` records; keyset paging is refused (405) where there is none. A
comment touches what it stands on, but not within a minute of the last touch; deleting one touches nothing. Releases
are answered from a cache for five minutes. Times are kept to the microsecond and shown to the millisecond.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, unquote, urlencode

from tests.servers.gitlab_state import Commit, Group, Instance, Issuable, Note, Project, Snippet, Tree
from tests.servers.kit import Answer, Asked, SimulatedApi, VirtualClock

TOKEN = "glpat-simulated-0123456789"
RELEASE_CACHE = timedelta(minutes=5)


class Refusal(Exception):
    def __init__(self, status: int, data: Any, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(str(data))
        self.answer = Answer(data, status, headers or {})


class GitLab(Instance, SimulatedApi):
    def __init__(self, clock: VirtualClock) -> None:
        SimulatedApi.__init__(self, clock)
        Instance.__init__(self)
        self.scopes = ["read_api"]
        self.most_per_page = 100
        self.counted = 10_000
        self.offset_limit = 50_000
        self.epics_licensed = True
        self.users_keyset = True
        self.most_changes = 100
        self.hidden_members: set[int] = set()
        """Places whose members the token may not list."""
        self.broken: Callable[[str], bool] = lambda path: False
        """Paths that answer 500, whoever asks and however often."""
        self.unlisted: set[int] = set()
        """Ids that pages of lists leave out and their totals count."""
        self.hidden = ""
        """What a Guest is not shown of a repository: `the branch`, or in the project itself `its name`."""
        self.signed_out: Callable[[str], bool] = lambda path: False
        """Paths where a proxy shows its own page in place of the answer."""
        self._cached: dict[str, tuple[datetime, Answer]] = {}

    # ── answering ────────────────────────────────────────────────────────────────────────────────────

    def answer_unauthorised(self) -> Answer:
        return Answer({"message": "401 Unauthorized"}, 401)

    def answer(self, asked: Asked) -> Answer:
        if asked.headers.get("private-token") != TOKEN:
            return self.answer_unauthorised()
        if self.signed_out(asked.path):
            return Answer(body=b"<html><title>Sign in</title></html>", content_type="text/html")
        if self.broken(asked.path):
            return Answer({"message": "500 Internal Server Error"}, 500)
        parts = [unquote(part) for part in asked.parts]
        if asked.method != "GET" or parts[:2] != ["api", "v4"]:
            return Answer({"error": "404 Not Found"}, 404)
        try:
            answer = self._routed(asked, parts[2:])
        except Refusal as refusal:
            return refusal.answer
        etag = f'W/"{hashlib.sha1(answer.encoded()).hexdigest()}"'
        if asked.headers.get("if-none-match") == etag and answer.status == 200:
            return Answer(status=304, headers={"ETag": etag})
        return Answer(answer.data, answer.status, {**answer.headers, "ETag": etag}, answer.body, answer.content_type)

    def _routed(self, asked: Asked, parts: list[str]) -> Answer:
        match parts:
            case ["personal_access_tokens", "self"]:
                allow(asked)
                return Answer({"id": 1, "scopes": self.scopes, "user_id": self.owner, "active": True})
            case ["users"]:
                return self._users(asked)
            case ["projects"]:
                allow(asked, "membership", "pagination", "order_by", "sort", "id_after", paged=True)
                mine = [p for p in self.projects.values() if self.owner in self.members(p)]
                return self._keyset(asked, [self.show_project(p) for p in sorted(mine, key=lambda p: p.id)])
            case ["projects", name, *rest]:
                return self._project(asked, self._find_project(name), rest)
            case ["groups", name, *rest]:
                return self._group(asked, self._find_group(name), rest)
        raise Refusal(404, {"error": "404 Not Found"})

    def _find_project(self, name: str) -> Project:
        project = self.projects.get(int(name)) if name.isdigit() else None
        if project is None:
            project = next((p for p in self.projects.values() if self.full_path(p) == name), None)
        if project is None and name in self.renamed and self.renamed[name] in self.projects:
            location = f"{self.url}/api/v4/projects/{self.renamed[name]}"
            said = f"This resource has been moved permanently to {location}"
            raise Refusal(301, {"message": said}, {"Location": location})
        if project is None or (project.visibility == "private" and self.owner not in self.members(project)):
            raise Refusal(404, {"message": "404 Project Not Found"})
        return project

    def _find_group(self, name: str) -> Group:
        for group in self.groups.values():
            if name in (str(group.id), self.group_path(group)):
                return group
        raise Refusal(404, {"message": "404 Group Not Found"})

    # ── places ───────────────────────────────────────────────────────────────────────────────────────

    def _project(self, asked: Asked, project: Project, rest: list[str]) -> Answer:
        if not rest:
            allow(asked)
            return Answer(self.show_project(project))
        if rest == ["members", "all"]:
            return self._members(asked, project)
        if project.closed:
            raise Refusal(403, {"message": "403 Forbidden"})
        feature = {"repository": "repository", "wikis": "wiki"}.get(rest[0], rest[0])
        if project.level(feature) == "disabled":
            raise Refusal(403 if feature in ("issues", "snippets") else 404, {"message": "Not available"})
        return self._part(asked, project, rest)

    def _part(self, asked: Asked, project: Project, rest: list[str]) -> Answer:
        match rest:
            case ["issues" | "merge_requests" as kind, *more]:
                return self._issuables(asked, project, getattr(project, kind), more)
            case ["wikis"]:
                allow(asked, "with_content")
                return Answer([self._page(project, slug) for slug in sorted(project.wiki)])
            case ["releases"]:
                return self._releases(asked, project)
            case ["snippets", *more]:
                return self._snippets(asked, project, more)
            case ["repository", *more]:
                return self._repository(asked, project, more)
            case ["uploads", secret, name]:
                allow(asked)
                data = project.uploads.get(f"/uploads/{secret}/{name}")
                if data is None:
                    raise Refusal(404, {"message": "404 Not found"})
                return Answer(body=data, content_type="application/octet-stream")
        raise Refusal(404, {"error": "404 Not Found"})

    def _group(self, asked: Asked, group: Group, rest: list[str]) -> Answer:
        match rest:
            case []:
                allow(asked, "with_projects")
                return Answer(self.show_group(group))
            case ["projects"]:
                allow(asked, "include_subgroups", "with_shared", "order_by", "sort", paged=True)
                below = [p for p in self.projects.values() if group in self.ancestors(p.group)]
                return self._paged(asked, [self.show_project(p) for p in sorted(below, key=lambda p: p.id)])
            case ["descendant_groups"]:
                allow(asked, "order_by", "sort", paged=True)
                below_it = [g for g in self.groups.values() if g is not group and group in self.ancestors(g.id)]
                return self._paged(asked, [self.show_group(g) for g in sorted(below_it, key=lambda g: g.id)])
            case ["members", "all"]:
                return self._members(asked, group)
            case ["epics", *more]:
                if not self.epics_licensed:
                    raise Refusal(403, {"message": "403 Forbidden"})
                return self._issuables(asked, group, group.epics, more)
        raise Refusal(404, {"error": "404 Not Found"})

    def show_project(self, project: Project) -> dict[str, Any]:
        features = ("issues", "merge_requests", "wiki", "repository", "snippets", "releases")
        levels = {f"{feature}_access_level": project.level(feature) for feature in features}
        return {
            "id": project.id,
            "path": project.path,
            "path_with_namespace": self.full_path(project),
            "web_url": f"{self.url}/{self.full_path(project)}",
            "default_branch": project.branch if project.head and self.hidden != "its name" else None,
            "empty_repo": not project.head,
            "visibility": project.visibility,
            "archived": project.archived,
            "permissions": {
                "project_access": None,
                "group_access": {"access_level": self.members(project)[self.owner].level}
                if self.owner in self.members(project)
                else None,
            },
            "runners_token": "GR-a-secret-of-the-project",
            "issues_enabled": project.level("issues") != "disabled",
            "wiki_enabled": project.level("wiki") != "disabled",
            **levels,
        }

    def show_group(self, group: Group) -> dict[str, Any]:
        path = self.group_path(group)
        return {
            "id": group.id,
            "full_path": path,
            "web_url": f"{self.url}/groups/{path}",
            "visibility": group.visibility,
            "parent_id": group.parent,
        }

    def show_user(self, id: int | None) -> dict[str, Any] | None:
        if id is None:
            return None
        user = self.users[id]
        return {
            "id": user.id,
            "username": user.username,
            "name": user.name,
            "state": user.state,
            "public_email": user.public_email,
            "avatar_url": f"{self.url}/avatar/{id}?signature=a-signed-avatar",
        }

    def _members(self, asked: Asked, place: Project | Group) -> Answer:
        allow(asked, paged=True)
        if place.id in self.hidden_members:
            raise Refusal(403, {"message": "403 Forbidden"})
        shown = [
            {**(self.show_user(id) or {}), "access_level": member.level, "expires_at": member.expires_at,
             "membership_state": "active"}
            for id, member in sorted(self.members(place).items())
        ]  # fmt: skip
        return self._paged(asked, shown)

    def _users(self, asked: Asked) -> Answer:
        allow(asked, "active", "exclude_external", "pagination", "order_by", "sort", "id_after", paged=True)
        shown = [
            self.show_user(user.id)
            for user in sorted(self.users.values(), key=lambda user: user.id)
            if (asked.one("active") != "true" or user.state == "active")
            and (asked.one("exclude_external") != "true" or not user.external)
        ]
        if asked.one("pagination") == "keyset" and not self.users_keyset:
            raise Refusal(405, {"error": "Keyset pagination is not yet available for this type of request"})
        return self._keyset(asked, shown)

    # ── issues, merge requests, epics ────────────────────────────────────────────────────────────────

    def _issuables(self, asked: Asked, place: Project | Group, items: dict[int, Issuable], more: list[str]) -> Answer:
        kind = next(name for name in ("issues", "merge_requests", "epics") if getattr(place, name, None) is items)
        if not more:
            allow(asked, "scope", "state", "order_by", "sort", "updated_after", "include_descendant_groups", paged=True)
            one_of(asked, "order_by", "created_at", "updated_at")
            one_of(asked, "sort", "asc", "desc")
            one_of(asked, "state", "all", "opened", "closed", *(["merged"] if kind == "merge_requests" else []))
            if kind == "issues" and asked.one("scope") != "all":
                raise Refusal(400, {"error": "this simulation knows no scope but all"})
            found = [one for one in items.values() if one.updated_at >= moment_of(asked.one("updated_after"))]
            found.sort(key=lambda one: (getattr(one, asked.one("order_by", "created_at")), one.id))
            if asked.one("sort", "desc") == "desc":
                found.reverse()
            return self._paged(asked, found, lambda one: self.show_issuable(place, kind, one))
        one = self._found(items, kind, more)
        match more[1:]:
            case []:
                allow(asked)
                return Answer(self.show_issuable(place, kind, one))
            case ["discussions"]:
                allow(asked, paged=True)
                return self._paged(asked, [self._discussion(kind, thread) for thread in one.threads])
            case ["diffs"] if kind == "merge_requests":
                allow(asked, paged=True)
                return self._paged(asked, [self._change("", one.diff, "a.py", "a.py")] if one.diff else [])
        raise Refusal(404, {"error": "404 Not Found"})

    @staticmethod
    def _found(items: dict[int, Issuable], kind: str, more: list[str]) -> Issuable:
        """By number in the place, but for what hangs on epics, which is asked by id."""
        key = "id" if kind == "epics" and len(more) > 1 else "iid"
        for one in items.values():
            if str(getattr(one, key)) == more[0]:
                return one
        raise Refusal(404, {"message": "404 Not found"})

    def show_issuable(self, place: Project | Group, kind: str, one: Issuable) -> dict[str, Any]:
        sign = {"issues": "#", "merge_requests": "!", "epics": "&"}[kind]
        path = self.full_path(place) if isinstance(place, Project) else self.group_path(place)
        url = f"{self.url}/{'groups/' if isinstance(place, Group) else ''}{path}/-/{kind}/{one.iid}"
        shown = {
            "id": one.id,
            "iid": one.iid,
            "title": one.title,
            "description": one.description,
            "state": one.state,
            "author": self.show_user(one.author),
            "created_at": shown_time(one.created_at),
            "updated_at": shown_time(one.updated_at),
            "web_url": url,
            "references": {"short": f"{sign}{one.iid}", "full": f"{path}{sign}{one.iid}"},
            "labels": [],
        }
        if kind == "epics":
            return {**shown, "confidential": one.confidential, "group_id": place.id}
        shown |= {
            "project_id": place.id,
            "user_notes_count": sum(not note.system for note in one.notes),
            "assignees": [self.show_user(id) for id in one.assignees],
        }
        if kind == "issues":
            told = {"service_desk_reply_to": one.reply_to} if one.reply_to else {}
            return {**shown, **told, "confidential": one.confidential, "moved_to_id": one.moved_to_id}
        return {**shown, "source_branch": "feature", "target_branch": "main", "draft": False}

    def _discussion(self, kind: str, thread: list[Note]) -> dict[str, Any]:
        notes = [
            {
                "id": note.id,
                "type": "DiscussionNote" if len(thread) > 1 else None,
                "body": note.body,
                "author": self.show_user(note.author),
                "created_at": shown_time(note.created_at),
                "updated_at": shown_time(note.updated_at),
                "system": note.system,
                "noteable_type": {"issues": "Issue", "merge_requests": "MergeRequest", "epics": "Epic"}[kind],
                "confidential": note.internal,
                "internal": note.internal,
            }
            for note in thread
        ]
        id = hashlib.sha1(str(thread[0].id).encode()).hexdigest()
        return {"id": id, "individual_note": len(thread) == 1, "notes": notes}

    # ── pages ────────────────────────────────────────────────────────────────────────────────────────

    @staticmethod
    def _page(project: Project, slug: str) -> dict[str, Any]:
        title = slug.rpartition("/")[2].replace("-", " ")
        return {"format": "markdown", "slug": slug, "title": title, "content": project.wiki[slug], "encoding": "UTF-8"}

    def _releases(self, asked: Asked, project: Project) -> Answer:
        allow(asked, "order_by", "sort", paged=True)
        one_of(asked, "order_by", "released_at", "created_at")
        key = f"{project.id}?{urlencode(sorted(asked.query.items()), doseq=True)}"
        cached = self._cached.get(key)
        if cached and self.clock.now() - cached[0] < RELEASE_CACHE:
            return cached[1]
        found = sorted(project.releases.values(), key=lambda one: str(one["created_at"]))
        shown = [{**one, "_links": {"self": f"{self.url}/{self.full_path(project)}/-/releases/{one['tag_name']}"}}
                 for one in found]  # fmt: skip
        self._cached[key] = (self.clock.now(), self._paged(asked, shown))
        return self._cached[key][1]

    def _snippets(self, asked: Asked, project: Project, more: list[str]) -> Answer:
        if not more:
            allow(asked, paged=True)
            newest = sorted(project.snippets.values(), key=lambda one: -one.id)
            return self._paged(asked, [self._show_snippet(project, one) for one in newest])
        snippet = project.snippets.get(int(more[0]))
        if snippet and len(more) == 5 and more[1] == "files" and more[4] == "raw" and more[3] in snippet.files:
            if more[2] not in ("main", "HEAD"):
                raise Refusal(404, {"message": "404 Reference Not Found"})
            return Answer(body=snippet.files[more[3]], content_type="text/plain")
        raise Refusal(404, {"message": "404 Not found"})

    def _show_snippet(self, project: Project, one: Snippet) -> dict[str, Any]:
        url = f"{self.url}/{self.full_path(project)}/-/snippets/{one.id}"
        return {
            "id": one.id,
            "title": one.title,
            "visibility": one.visibility,
            "author": self.show_user(one.author),
            "created_at": shown_time(one.created_at),
            "updated_at": shown_time(one.updated_at),
            "web_url": url,
            "files": [{"path": path, "raw_url": f"{url}/raw/main/{quote(path)}"} for path in sorted(one.files)],
        }

    # ── repository ───────────────────────────────────────────────────────────────────────────────────

    def _repository(self, asked: Asked, project: Project, rest: list[str]) -> Answer:
        match rest:
            case ["branches", branch]:
                allow(asked)
                if branch != project.branch or not project.head or self.hidden == "the branch":
                    raise Refusal(404, {"message": "404 Branch Not Found"})
                return Answer({"name": branch, "commit": self._show_commit(project, project.commits[project.head])})
            case ["tree"]:
                return self._tree(asked, project)
            case ["compare"]:
                return self._compare(asked, project)
            case ["files", path, "raw"]:
                allow(asked, "ref")
                data = self._at(project, asked.one("ref")).tree.get(path)
                if data is None:
                    raise Refusal(404, {"message": "404 File Not Found"})
                return Answer(body=data, content_type="text/plain")
            case ["commits"]:
                return self._commits(asked, project)
            case ["commits", sha]:
                allow(asked)
                return Answer(self._show_commit(project, self._at(project, sha)))
            case ["commits", sha, "diff"]:
                allow(asked, paged=True)
                commit = self._at(project, sha)
                before = project.commits[commit.parent].tree if commit.parent else {}
                return self._paged(asked, self._differences(before, commit.tree))
        raise Refusal(404, {"error": "404 Not Found"})

    @staticmethod
    def _at(project: Project, ref: str) -> Commit:
        sha = project.head if ref in ("", "HEAD", project.branch) else ref
        if sha not in project.commits:
            raise Refusal(404, {"message": "404 Commit Not Found"})
        return project.commits[sha]

    def _tree(self, asked: Asked, project: Project) -> Answer:
        allow(asked, "ref", "path", "recursive", "pagination", "page_token", paged=True)
        one_of(asked, "pagination", "legacy", "keyset", "none")
        tree = self._at(project, asked.one("ref")).tree
        folders = {path.rpartition("/")[0] for path in tree if "/" in path}
        entries = [self._entry(path, None) for path in sorted(folders)]
        entries += [self._entry(path, tree[path]) for path in sorted(tree)]
        assert asked.one("recursive") == "true"
        token, size = asked.one("page_token"), self._size(asked)
        tokens = [hashlib.sha1(str(entry["path"]).encode()).hexdigest() for entry in entries]
        if token and token not in tokens:
            raise Refusal(400, {"message": "invalid page token"})
        start = tokens.index(token) + 1 if token else 0
        shown = entries[start : start + size]
        if start + size >= len(entries):
            return Answer(shown)
        return Answer(shown, headers={"Link": self._link(asked, {"page_token": tokens[start + size - 1]}, "next")})

    @staticmethod
    def _entry(path: str, data: bytes | None) -> dict[str, Any]:
        name = path.rpartition("/")[2]
        if data is None:
            return {"id": "0" * 40, "name": name, "type": "tree", "path": path, "mode": "040000"}
        blob = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
        return {"id": blob, "name": name, "type": "blob", "path": path, "mode": "100644"}

    def _compare(self, asked: Asked, project: Project) -> Answer:
        allow(asked, "from", "to", "straight")
        if asked.one("straight") != "true":
            raise Refusal(400, {"error": "this simulation compares directly only"})
        before, after = (self._at(project, asked.one(end)).tree for end in ("from", "to"))
        diffs = self._differences(before, after)
        cut = len(diffs) > self.most_changes
        return Answer({"commits": [], "diffs": diffs[: self.most_changes], "compare_timeout": cut,
                       "compare_same_ref": False})  # fmt: skip

    def _differences(self, before: Tree, after: Tree) -> list[dict[str, Any]]:
        """With renames of unchanged files."""
        gone = {path: data for path, data in before.items() if path not in after}
        diffs = []
        for path, data in sorted(after.items()):
            if before.get(path) == data:
                continue
            old = next((one for one, was in gone.items() if was == data and path not in before), "")
            if old:
                gone.pop(old)
            kind = "renamed_file" if old else "" if path in before else "new_file"
            diffs.append(self._change(kind, f"@@ -0,0 +1 @@\n+{data.decode()}", old or path, path))
        return diffs + [self._change("deleted_file", "@@ -1 +0,0 @@", path, path) for path in sorted(gone)]

    @staticmethod
    def _change(kind: str, diff: str, old: str, new: str) -> dict[str, Any]:
        flags = {flag: flag == kind for flag in ("new_file", "renamed_file", "deleted_file")}
        return {"old_path": old, "new_path": new, "a_mode": "100644", "b_mode": "100644", "diff": diff, **flags}

    def _commits(self, asked: Asked, project: Project) -> Answer:
        allow(asked, "ref_name", "since", paged=True)
        old, dots, new = asked.one("ref_name").partition("..")
        past = self.history(project, self._at(project, old).sha) if dots else []
        found = [c for c in self.history(project, self._at(project, new or old).sha) if c not in past]
        after = moment_of(asked.one("since"))
        return self._paged(
            asked, [c for c in found if c.time >= after], lambda c: self._show_commit(project, c), uncounted=True
        )

    @staticmethod
    def history(project: Project, sha: str) -> list[Commit]:
        found = []
        while sha:
            found.append(project.commits[sha])
            sha = project.commits[sha].parent
        return found

    def _show_commit(self, project: Project, commit: Commit) -> dict[str, Any]:
        return {
            "id": commit.sha,
            "title": commit.message.splitlines()[0],
            "message": commit.message,
            "author_name": "Ann",
            "authored_date": shown_time(commit.time),
            "committed_date": shown_time(commit.time),
            "web_url": f"{self.url}/{self.full_path(project)}/-/commit/{commit.sha}",
        }

    # ── pages of lists ───────────────────────────────────────────────────────────────────────────────

    def _size(self, asked: Asked) -> int:
        size = asked.number("per_page", 20)
        if size < 1:
            raise Refusal(400, {"error": "per_page has a value not allowed"})
        return min(size, 100, self.most_per_page)

    def _paged(
        self, asked: Asked, items: list[Any], show: Callable[[Any], Any] = lambda one: one, *, uncounted: bool = False
    ) -> Answer:
        if asked.one("pagination") == "keyset":
            raise Refusal(405, {"error": "Keyset pagination is not yet available for this type of request"})
        size, page = self._size(asked), asked.number("page", 1)
        if page * size > self.offset_limit:
            raise Refusal(405, {"error": f"Offset pagination has a maximum allowed offset of {self.offset_limit}"})
        last = max(1, math.ceil(len(items) / size))
        headers = {"X-Page": str(page), "X-Per-Page": str(size), "X-Next-Page": str(page + 1) if page < last else ""}
        links = [self._link(asked, {"page": page + 1}, "next")] if page < last else []
        links.append(self._link(asked, {"page": 1}, "first"))
        if len(items) <= self.counted and not uncounted:
            headers |= {"X-Total": str(len(items)), "X-Total-Pages": str(last)}
            links.append(self._link(asked, {"page": last}, "last"))
        asked_for = items[(page - 1) * size : page * size]
        shown = [show(one) for one in asked_for if getattr(one, "id", 0) not in self.unlisted]
        return Answer(shown, headers={**headers, "Link": ", ".join(links)})

    def _keyset(self, asked: Asked, items: list[Any]) -> Answer:
        """By id, as projects and users are paged."""
        if asked.one("pagination") != "keyset":
            return self._paged(asked, items)
        if (asked.one("order_by"), asked.one("sort")) != ("id", "asc"):
            raise Refusal(405, {"error": "Keyset pagination is not yet available for this type of request"})
        left = [one for one in items if one["id"] > asked.number("id_after", 0)]
        shown = left[: self._size(asked)]
        if len(shown) == len(left):
            return Answer(shown)
        return Answer(shown, headers={"Link": self._link(asked, {"id_after": shown[-1]["id"]}, "next")})

    def _link(self, asked: Asked, changed: Mapping[str, Any], rel: str) -> str:
        query = {**{name: values[-1] for name, values in asked.query.items()}, **changed}
        return f'<https://gitlab.internal{asked.path}?{urlencode(query)}>; rel="{rel}"'


def allow(asked: Asked, *names: str, paged: bool = False) -> None:
    """GitLab passes over what it does not know; here a parameter that it does not know is a fault of the asker."""
    unknown = asked.query.keys() - {*names, *(("page", "per_page") if paged else ())}
    if unknown:
        raise Refusal(400, {"error": f"{', '.join(sorted(unknown))} is unknown"})


def one_of(asked: Asked, name: str, *values: str) -> None:
    if name in asked.query and asked.one(name) not in values:
        raise Refusal(400, {"error": f"{name} does not have a valid value"})


def shown_time(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%S}.{time.microsecond // 1000:03d}Z"


def moment_of(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text) if text else datetime.min.replace(tzinfo=UTC)
    except ValueError as error:
        raise Refusal(400, {"error": "updated_after is invalid"}) from error
