"""Discussions, which only GraphQL has, whole: https://docs.github.com/en/graphql/guides/using-the-graphql-api-for-discussions"""

from __future__ import annotations

from collections.abc import Iterator

from knowhub.core.types import Fetched, ItemId
from knowhub.http import Undecodable
from knowhub.sources.github.api import Api, Json, earlier, iso
from knowhub.sources.github.records import Repository
from knowhub.sources.github.stream import OVERLAP_S, SAVE, Stream, is_older

_REMARK = "id databaseId body isAnswer createdAt author { login }"
_PAGE = "pageInfo { hasNextPage endCursor }"
_REPLIES = f"replies(first: 30) {{ nodes {{ {_REMARK} }} {_PAGE} }}"
_COMMENTS = f"nodes {{ {_REMARK} {_REPLIES} }} {_PAGE}"
_LIST = f"""query(
  $owner: String!, $name: String!, $first: Int!, $after: String,
  $field: DiscussionOrderField!, $direction: OrderDirection!
) {{
  repository(owner: $owner, name: $name) {{
    databaseId
    discussions(first: $first, after: $after, orderBy: {{field: $field, direction: $direction}}) {{
      totalCount
      nodes {{
        id databaseId number title body url createdAt updatedAt isAnswered closed author {{ login }} category {{ name }}
        labels(first: 20) {{ nodes {{ name }} }}
        poll {{ question options(first: 20) {{ nodes {{ option }} }} }}
        comments(first: 30) {{ {_COMMENTS} }}
      }}
      {_PAGE}
    }}
  }}
}}"""
_NEWEST = """query($owner: String!, $name: String!) {
  repository(owner: $owner, name: $name) {
    discussions(first: 1, orderBy: {field: UPDATED_AT, direction: DESC}) {
      totalCount nodes { updatedAt }
    }
  }
}"""
_MORE_COMMENTS = f"""query($id: ID!, $after: String) {{
  node(id: $id) {{ ... on Discussion {{ comments(first: 50, after: $after) {{ {_COMMENTS} }} }} }}
}}"""
_MORE_REPLIES = f"""query($id: ID!, $after: String) {{
  node(id: $id) {{
    ... on DiscussionComment {{ replies(first: 100, after: $after) {{ nodes {{ {_REMARK} }} {_PAGE} }} }}
  }}
}}"""
_LARGEST_PAGE = 20


def probe(api: Api, repo: Repository) -> Json:
    """How many discussions there are, and when the newest change was. Raises Refused."""
    owner, _, name = repo.name.partition("/")
    found = (api.query(_NEWEST, {"owner": owner, "name": name}).get("repository") or {}).get("discussions")
    if not isinstance(found, dict):
        raise Undecodable("POST /graphql: the answer has no discussions")
    return found


class Discussions(Stream):
    """Content is compared each time that a discussion is listed: no time of theirs tells of every edit and deletion."""

    name = "discussion"

    def sync(self) -> Iterator[Fetched]:
        state, held = self._at.state, self._at.held
        asked_again = any(item.startswith("discussion:") for item in held.wanted)
        full = "since" not in state or self._at.census_due or asked_again
        if full:
            yield from self._full()
        elif not self._is_as_it_was():
            yield from self._recent()
        if not full and self._at.options.since is None and self.counted != held.count(self.name):
            yield from self._full()

    def _is_as_it_was(self) -> bool:
        """Whether the newest change is the one that was read, and so long ago that it has no twin in its second."""
        state = self._at.state
        if not state["since"] or earlier(state["read"], seconds=OVERLAP_S) <= state["since"]:
            return False
        found = probe(self._at.api, self._at.repo)
        self._told(found)
        return [one["updatedAt"] for one in found["nodes"]] == [state["since"]]

    def _full(self) -> Iterator[Fetched]:
        """By creation, an order that nothing changes."""
        listed: set[ItemId] = set()
        newest, start = self._at.state.get("since", ""), iso(self._at.api.now)
        for page in self._pages("CREATED_AT", "ASC"):
            for one in page:
                if not is_older(one["updatedAt"], self._at.options.since):
                    newest = max(newest, one["updatedAt"])
                    record = self._at.repo.discussion(self._whole(one))
                    listed.add(record.item)
                    yield self._at.settled(record)
        self._at.state.update(since=newest, read=start)
        self.listed = listed
        yield SAVE

    def _recent(self) -> Iterator[Fetched]:
        since = self._at.state["since"]
        floor, newest, start = earlier(since, seconds=OVERLAP_S), since, iso(self._at.api.now)
        for page in self._pages("UPDATED_AT", "DESC"):
            for one in page:
                if one["updatedAt"] >= floor and not is_older(one["updatedAt"], self._at.options.since):
                    newest = max(newest, one["updatedAt"])
                    yield self._at.settled(self._at.repo.discussion(self._whole(one)))
            if any(one["updatedAt"] < floor for one in page):
                break
        # Saved at the end: what was read first changed last.
        self._at.state.update(since=newest, read=start)
        yield SAVE

    def _pages(self, field: str, direction: str) -> Iterator[list[Json]]:
        owner, _, name = self._at.repo.name.partition("/")
        first = min(_LARGEST_PAGE, self._at.options.page_size)
        asked = {"owner": owner, "name": name, "first": first, "field": field, "direction": direction}
        after = None
        while True:
            repository = self._at.api.query(_LIST, {**asked, "after": after}).get("repository") or {}
            found = repository.get("discussions")
            if not isinstance(found, dict):
                raise Undecodable("POST /graphql: the answer has no discussions")
            self._told(found)
            yield [one for one in found["nodes"] if one]
            before, after = after, found["pageInfo"]["endCursor"]
            if not found["pageInfo"]["hasNextPage"]:
                return
            if after == before:
                raise Undecodable("POST /graphql: a page token came twice")

    def _told(self, found: Json) -> None:
        """GitHub counts all of them, not those since a time."""
        self.counted = found["totalCount"] if self._at.options.since is None else None

    def _whole(self, discussion: Json) -> Json:
        """With all comments and replies, without the marks of pages."""
        comments = self._rest(discussion["id"], "comments", discussion["comments"], _MORE_COMMENTS)
        for comment in comments:
            replies = self._rest(comment["id"], "replies", comment["replies"], _MORE_REPLIES)
            comment["replies"] = {"nodes": replies}
        return {**discussion, "comments": {"nodes": comments}}

    def _rest(self, id: str, key: str, first: Json, query: str) -> list[Json]:
        nodes, info = [one for one in first["nodes"] if one], first["pageInfo"]
        while info["hasNextPage"]:
            page = (self._at.api.query(query, {"id": id, "after": info["endCursor"]}).get("node") or {}).get(key)
            if not isinstance(page, dict) or page["pageInfo"]["endCursor"] == info["endCursor"]:
                raise Undecodable(f"POST /graphql: the {key} of {id} end in the middle")
            nodes += [one for one in page["nodes"] if one]
            info = page["pageInfo"]
        return nodes
