"""What both editions of Confluence have: the shapes of spaces and contents, searching by CQL, reading restrictions.

https://developer.atlassian.com/cloud/confluence/rest/v1/ and https://developer.atlassian.com/server/confluence/
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from knowhub.core.errors import AccessDenied, KnowhubError, NotFound, RateLimited
from knowhub.http import Http, Refused, Rejected, Reply, Unavailable, Undecodable

Json = Mapping[str, Any]
Kind = Literal["page", "blogpost"]
KINDS: tuple[Kind, ...] = ("page", "blogpost")

UNKNOWN_SHAPE = (KeyError, TypeError, ValueError, AttributeError)
"""What reading an answer raises that is JSON and otherwise nothing that the documents describe."""
READERS = "restrictions.read.restrictions.user,restrictions.read.restrictions.group"
BATCH = 50


@dataclass(frozen=True, slots=True)
class Space:
    """`id` is stable for life; people say `key`."""

    id: str
    key: str
    name: str
    personal: bool


@dataclass(frozen=True, slots=True)
class Content:
    """A page or blog post. `raw` is the API's JSON, with the body where it was asked for."""

    id: str
    kind: Kind
    space: str
    title: str
    status: str
    number: int
    edited_at: str
    parent: str
    parent_kind: str
    raw: Json = field(repr=False)


@dataclass(frozen=True, slots=True)
class Named:
    """Those whom a restriction names; `people` by account id or user key, `groups` by id or name."""

    people: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()

    @property
    def nobody(self) -> bool:
        return not (self.people or self.groups)


UNRESTRICTED = None
Restriction = Named | None
"""None: everybody whom the space admits. An empty Named: nobody."""


@dataclass(frozen=True, slots=True)
class Described:
    """What a listing says of a content beside its text. Where it says nothing, there may be comments and files."""

    restriction: Restriction
    comments: bool = True
    attachments: bool = True


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of a list; `token` asks for the next, "" at the end."""

    contents: tuple[Content, ...]
    token: str


@dataclass(frozen=True, slots=True)
class Grants:
    """Who may view a space: people, groups, and whether somebody does who is not signed in."""

    named: Named
    anonymous: bool


class Wiki(ABC):
    """Requests to one Confluence. `site` is the address that people see, without a slash at its end."""

    root: str
    """The path of REST v1 below the client's base URL."""
    tree_types: tuple[str, ...] = ()
    """Types of the page tree that have a title and no text that the API gives."""

    def __init__(self, http: Http, anonymous: Http, site: str) -> None:
        self.http = http
        self.anonymous = anonymous
        self.site = site

    # ── what the editions do each in their way ───────────────────────────────────────────────────────

    @abstractmethod
    def spaces(self) -> Iterator[Space]:
        """All that the token's user sees, archived ones too. Complete, or an error."""

    @abstractmethod
    def listing(self, space: Space, kind: Kind, token: str, *, bodies: bool) -> Listing:
        """Current and archived contents in an order that edits do not change. "" is the first page."""

    @abstractmethod
    def by_ids(self, kind: Kind, ids: Sequence[str]) -> list[Content]:
        """Those that exist, with their bodies, wherever they are now."""

    @abstractmethod
    def titled(self, space: Space, title: str) -> Content | None:
        """The current page of that title, with its body."""

    @abstractmethod
    def describe(self, contents: Sequence[Content]) -> dict[str, Described]: ...

    @abstractmethod
    def above(self, contents: Sequence[Content]) -> dict[str, tuple[str, ...] | None]:
        """The ids of all that stands above each in the page tree; None where a part of the way cannot be seen."""

    @abstractmethod
    def comments(self, content: Content) -> list[Json]: ...

    @abstractmethod
    def attachments(self, content: Content) -> list[Json]: ...

    @abstractmethod
    def download_url(self, page: str, attachment: Json) -> str: ...

    @abstractmethod
    def attached_to(self, attachment: str) -> str:
        """The id of the page that an attachment hangs on; "" if it is gone."""

    @abstractmethod
    def names(self, people: Iterable[str]) -> dict[str, str]:
        """Display names by account id or user key; those whom nobody knows are left out."""

    @abstractmethod
    def grants(self, space: Space) -> Grants:
        """Raises AccessDenied where the token's user may not see them."""

    @abstractmethod
    def members(self, group: Json) -> Iterator[Json]: ...

    @abstractmethod
    def person_id(self, person: Json) -> str: ...

    @abstractmethod
    def group_id(self, group: Json) -> str: ...

    # ── searching ────────────────────────────────────────────────────────────────────────────────────

    def search(self, cql: str, expand: str, limit: int = 100) -> Iterator[Json]:
        params = {"cql": cql, "expand": expand, "limit": limit}
        return self.walk(f"{self.root}/content/search", params)

    def groups(self) -> Iterator[Json]:
        return self.walk(f"{self.root}/group", {"limit": 200})

    def walk(self, path: str, params: Json) -> Iterator[Json]:
        """All results of a list. A page token that has expired begins it anew, once: results may come twice."""
        query, seen, renewed = "", set[str](), False
        while True:
            try:
                reply = self.http.get(f"{path}?{query}") if query else self.http.get(path, params)
            except Rejected:
                if not query or renewed:
                    raise
                query, renewed = "", True
                seen.clear()
                continue
            yield from reply.data["results"]
            query = next_query(reply)
            if not query:
                return
            if query in seen:
                raise Undecodable(f"GET {path}: the list of pages runs in a circle")
            seen.add(query)

    def open_to_all(self, path: str) -> bool:
        """Whether a stranger is answered: the one test that no setting elsewhere can make untrue."""
        try:
            return self.anonymous.get(path, allow=(401, 403, 404), attempts=2).status == 200
        except (Rejected, Undecodable, Unavailable):  # such as a login page
            return False

    def require_account(self) -> None:
        """Raises AccessDenied where our token is taken for a stranger's, who sees what is public: then nothing that
        is missing is gone."""
        reply = self.http.get(f"{self.root}/user/current", allow=(401, 403, 404))
        if reply.status == 401 and not lacks_scope(reply):
            raise Refused(f"GET {self.root}/user/current: 401, the token is not valid any more", reply)
        if reply.status == 200 and reply.data.get("type") == "anonymous":
            raise AccessDenied(
                f"GET {self.root}/user/current: the token is taken for a stranger's", cure="Make a new API token."
            )

    # ── restrictions ─────────────────────────────────────────────────────────────────────────────────

    def restrictions(self, ids: Sequence[str]) -> dict[str, Described]:
        """Of contents of any type, a few requests for many. Who cannot be asked about is closed to all."""
        expand = f"{READERS},childTypes.comment,childTypes.attachment"
        found: dict[str, Described] = {}
        for start in range(0, len(ids), BATCH):
            part = ids[start : start + BATCH]
            for raw in self.search(f"id in ({', '.join(part)})", expand, BATCH):
                found[raw["id"]] = self.described(raw)
            # What was written a moment ago, or archived, is not in the index of the search.
            for id in part:
                if id not in found:
                    found[id] = Described(self.restriction(id))
        return found

    def described(self, raw: Json) -> Described:
        """From a content that was expanded by `READERS` and `childTypes`."""
        children = raw.get("childTypes") or {}
        named = ((raw.get("restrictions") or {}).get("read") or {}).get("restrictions")
        restriction = self._named(raw["id"], named) if named else self.restriction(raw["id"])
        has = {kind: (children.get(kind) or {}).get("value", True) for kind in ("comment", "attachment")}
        return Described(restriction, has["comment"], has["attachment"])

    def restriction(self, id: str) -> Restriction:
        """Of one content, whole. A restriction that cannot be read admits nobody."""
        path, start = f"{self.root}/content/{id}/restriction/byOperation/read", 0
        people, groups = set[str](), set[str]()
        while True:
            try:
                read = self.http.get(path, {"start": start, "limit": 100}).data["restrictions"]
            except (NotFound, AccessDenied):
                return Named()
            for_people, for_groups = read["user"], read["group"]
            people |= {self.person_id(one) for one in for_people["results"]}
            groups |= {self.group_id(one) for one in for_groups["results"]}
            step = min(for_people["limit"], for_groups["limit"])
            if step < 1 or max(len(for_people["results"]), len(for_groups["results"])) < step:
                return self._whole(people, groups)
            start += step

    def _named(self, id: str, read: Json) -> Restriction:
        if any(len(read[kind]["results"]) >= read[kind]["limit"] for kind in ("user", "group")):
            return self.restriction(id)
        people = {self.person_id(one) for one in read["user"]["results"]}
        return self._whole(people, {self.group_id(one) for one in read["group"]["results"]})

    @staticmethod
    def _whole(people: set[str], groups: set[str]) -> Restriction:
        return Named(frozenset(people), frozenset(groups)) if people or groups else UNRESTRICTED


def next_query(reply: Reply) -> str:
    """The query of a list's next page. Its path is not believed: Cloud leaves out `/wiki`, proxies rename hosts."""
    links = reply.data.get("_links") or {}
    return urlsplit(links.get("next") or "").query


def lacks_scope(reply: Reply) -> bool:
    """Atlassian's gateway answers 401, `scope does not match`, to a token that is valid and may not ask this."""
    return "scope" in reply.complaint.lower()


def one_item(error: KnowhubError) -> bool:
    """Whether an error may be of one item's making: the API answered, and neither refused our token nor our haste."""
    if isinstance(error, RateLimited):
        return False
    if isinstance(error, Refused) and error.reply.status == 401:
        return lacks_scope(error.reply)
    return not isinstance(error, Unavailable) or error.status != 0
