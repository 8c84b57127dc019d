"""Slack's Web API: a method and its arguments ▸ what it returned, or one of our errors.

Slack says "no" with `{"ok": false, "error": "…"}` and status 200: what is not ok is never taken for an answer.
https://docs.slack.dev/apis/web-api/
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from knowhub.core.errors import AccessDenied, PermanentError
from knowhub.core.secret import Secret
from knowhub.http import Clock, Http, Pace, Reply, Unavailable, Undecodable, bearer

Json = dict[str, Any]
Picked = TypeVar("Picked")

METHODS: Mapping[str, tuple[str, ...]] = {
    "auth.test": (),
    "conversations.list": ("channels:read", "groups:read", "im:read", "mpim:read"),
    "conversations.history": ("channels:history", "groups:history", "im:history", "mpim:history"),
    "conversations.replies": ("channels:history", "groups:history", "im:history", "mpim:history"),
    "conversations.members": ("channels:read", "groups:read", "im:read", "mpim:read"),
    "conversations.join": ("channels:join",),
    "users.list": ("users:read", "users:read.email"),
    "users.info": ("users:read",),
    "users.conversations": ("channels:read",),
    "usergroups.list": ("usergroups:read",),
    "files.info": ("files:read",),
}
"""Every method that is called here, with the scopes that it takes for all kinds of conversations."""

# https://docs.slack.dev/reference/methods/auth.test#errors: no other call will succeed either.
_FATAL = {
    "not_authed", "invalid_auth", "account_inactive", "token_revoked", "token_expired", "no_permission",
    "org_login_required", "access_denied", "two_factor_setup_required", "not_allowed_token_type",
    "team_access_not_granted",
}  # fmt: skip
_PASSING = {"internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org"}
_LIMITED = {"ratelimited", "rate_limited"}
_ATTEMPTS = 5
_LIST_PAGE = 200
_MAX_RESTARTS = 3


class SlackRefused(PermanentError):
    """A method said no: `code` is Slack's word, `needed` the scopes that are missing."""

    def __init__(self, method: str, code: str, needed: str = "", provided: str = "") -> None:
        cure = ""
        sentence = f"{method}: {code}"
        if code == "missing_scope":
            sentence = f"{method}: the token lacks the scope {needed or '(not named)'} (it has {provided or 'none'})"
            cure = "Add it to the app under OAuth & Permissions, install the app again and use the new token."
        super().__init__(sentence, cure=cure)
        self.method = method
        self.code = code
        self.needed = needed


class SlackApi:
    """`call` one method, or `collect` a whole list over its pages."""

    def __init__(
        self, base_url: str, token: Secret, *, clock: Clock, per_minute: float = 0, trusted: tuple[str, ...] = ()
    ) -> None:
        self._clock = clock
        self.http = Http(
            base_url,
            auth=bearer(token),
            clock=clock,
            pace=Pace(clock, per_minute or None),
            limit_of=_limit_of,
            trusted=trusted,
        )

    def call(self, method: str, /, **arguments: Any) -> Json:
        """Raises AccessDenied when the token is no good at all, SlackRefused, Unavailable, RateLimited."""
        return self.reply(method, **arguments)[0]

    def reply(self, method: str, /, **arguments: Any) -> tuple[Json, Reply]:
        """As `call`, with the reply itself for its headers."""
        for attempt in range(1, _ATTEMPTS + 1):
            reply = self._send(method, arguments)
            data = reply.data
            if not isinstance(data, dict):
                raise Undecodable(f"{method}: the answer is not an object")
            if data.get("ok") is True:
                return data, reply
            code = str(data.get("error") or "no reason given")
            if code not in _PASSING or attempt == _ATTEMPTS:
                raise _refusal(method, code, data)
            self._clock.sleep(2.0**attempt)
        raise AssertionError("the last attempt returns or raises")

    def collect(self, method: str, key: str, pick: Callable[[Json], Picked], /, **arguments: Any) -> list[Picked]:
        """`pick` of every entry of a list. A page token that expired or came twice starts the list again.

        Raises what `call` does.
        """
        for _ in range(_MAX_RESTARTS):
            try:
                return [pick(entry) for entry in self._entries(method, key, arguments)]
            except _Broken:
                continue
        raise Undecodable(f"{method}: its pages run in a circle or expire while they are read")

    def _entries(self, method: str, key: str, arguments: Mapping[str, Any]) -> Iterator[Any]:
        cursor, seen = "", set[str]()
        while True:
            try:
                page = self.call(method, limit=_LIST_PAGE, cursor=cursor or None, **arguments)
            except SlackRefused as error:
                if error.code == "invalid_cursor" and cursor:
                    raise _Broken from error
                raise
            entries = page.get(key)
            if not isinstance(entries, list):
                raise Undecodable(f"{method}: no list of {key}")
            yield from entries
            cursor = next_cursor(page)
            if not cursor:
                return
            if cursor in seen:
                raise _Broken
            seen.add(cursor)

    def _send(self, method: str, arguments: Mapping[str, Any]) -> Reply:
        if method == "conversations.join":
            return self.http.post(method, form={name: str(value) for name, value in arguments.items()}, bucket=method)
        return self.http.get(method, arguments, bucket=method)


class _Broken(Exception):
    """A list has to be read from its beginning."""


def next_cursor(page: Json) -> str:
    metadata = page.get("response_metadata")
    cursor = metadata.get("next_cursor") if isinstance(metadata, dict) else ""
    return cursor if isinstance(cursor, str) else ""


def _limit_of(reply: Reply) -> float | None:
    said = reply.data.get("error") if isinstance(reply.data, dict) else ""
    return 0.0 if reply.status == 429 or said in _LIMITED else None


def _refusal(method: str, code: str, data: Json) -> AccessDenied | SlackRefused | Unavailable:
    if code in _PASSING:
        return Unavailable(f"{method}: {code}")
    if code in _FATAL:
        return AccessDenied(
            f"{method}: Slack refuses the token ({code})",
            cure="Install the app in the workspace again and use its Bot User OAuth Token.",
        )
    return SlackRefused(method, code, str(data.get("needed") or ""), str(data.get("provided") or ""))
