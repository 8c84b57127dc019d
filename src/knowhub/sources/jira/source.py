"""Jira Cloud and Data Center: issues with their comments, worklogs and files, each under its own permissions.

project = container ─▶ issue (numeric id) = item ─┬─▶ comments and worklogs for fewer readers: items of their own
                                                  └─▶ attachments
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from urllib.parse import urlsplit

from knowhub.connecting.attachments import KIND, attachment_document
from knowhub.connecting.selection import Selection
from knowhub.core.errors import AccessDenied, KnowhubError
from knowhub.core.ports import Known
from knowhub.core.types import Cursor, Document, Fetched, Membership, Person, RawRecord, SourceName
from knowhub.formats.jira_issue import jira_issue
from knowhub.formats.parsed import Parsed
from knowhub.http import SYSTEM_CLOCK, Clock, Http, Pace, basic, bearer
from knowhub.sources.jira.api import JiraApi, Project, is_cloud
from knowhub.sources.jira.directory import JiraDirectory
from knowhub.sources.jira.options import JiraOptions
from knowhub.sources.jira.reading import Reading

ParseFile = Callable[[bytes, str], Parsed]
_CLOUD_HOSTS = (".atlassian.net", ".jira.com", "api.atlassian.com")


class JiraSource:
    """Implements `Source` and `Directory`."""

    def __init__(self, name: SourceName, options: JiraOptions, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self.name = name
        self._options = options
        self._clock = clock
        self._http = Http(
            options.base_url,
            auth=basic(options.email, options.token) if options.email else bearer(options.token),
            clock=clock,
            pace=Pace(clock, options.requests_per_minute or None),
            headers={"X-Atlassian-Token": "no-check"},
        )

    def check(self) -> list[str]:
        if not urlsplit(self._options.base_url).scheme.startswith("http"):
            return [f"{self.name}: base_url is not an address; give your site's, like https://acme.atlassian.net."]
        try:
            api = self._api(None)
            api.me()
            return self._check_reach(api)
        except AccessDenied as error:
            token = "API token, and see that email is its owner's" if self._options.email else "personal access token"
            return [f"{self.name}: {error.message}; make a new {token}."]
        except KnowhubError as error:
            return [f"{self.name}: {error}"]

    def _check_reach(self, api: JiraApi) -> list[str]:
        projects = api.projects()
        selection = Selection(self._options.include, self._options.exclude)
        chosen = [one for one in projects if selection.takes(one.key, one.name, one.id)]
        if not projects:
            return [f"{self.name}: the account sees no project; give it Browse Projects in those that are to be read."]
        if not chosen:
            return [f"{self.name}: include and exclude leave none of {len(projects)} projects; correct them."]
        if self._options.readers:
            return []
        return [f"{self.name}: {one}; or set readers." for one in _unreadable(api, chosen)]

    def fetch(self, cursor: Cursor | None, known: Known) -> Iterator[Fetched]:
        state = dict(cursor or {})
        api = self._api(state.get("cloud"))
        state["cloud"] = api.cloud
        return Reading(self.name, api, self._options, self._clock.now(), state, known).run()

    def people(self) -> Iterator[Person]:
        return self._directory().people()

    def memberships(self) -> Iterator[Membership]:
        return self._directory().memberships()

    def _directory(self) -> JiraDirectory:
        api = self._api(None)
        selection = Selection(self._options.include, self._options.exclude)
        projects = [one for one in api.projects() if selection.takes(one.key, one.name, one.id)]
        return JiraDirectory(self.name, api, projects)

    def _api(self, cloud: bool | None) -> JiraApi:
        """Which edition: as configured, as last found, as the host's name says, else as the site says."""
        if self._options.edition != "auto":
            cloud = self._options.edition == "cloud"
        elif (urlsplit(self._options.base_url).hostname or "").endswith(_CLOUD_HOSTS):
            cloud = True
        return JiraApi(self._http, cloud=is_cloud(self._http) if cloud is None else cloud)


def _unreadable(api: JiraApi, projects: Iterable[Project]) -> Iterator[str]:
    """What of the permissions our account may not see, and what would change that."""
    denied = [one.key for one in projects if api.may(f"project/{one.id}/permissionscheme") is None]
    if denied:
        yield (
            f"the account may not read the permission scheme of {', '.join(denied[:5])}, so that only those of the"
            " first 1,000 users whom Jira names will find its issues; give it Administer Projects there"
        )
    permissions = api.may("mypermissions", {"permissions": "ADMINISTER"}) or {"permissions": {}}
    if not permissions["permissions"].get("ADMINISTER", {}).get("havePermission"):
        yield (
            "without the global permission Administer Jira the members of groups and security levels cannot be read,"
            " and nobody is one; give it to the account"
        )
    path, params = ("users/search", {}) if api.cloud else ("user/search", {"username": "."})
    if api.may(path, {**params, "maxResults": 1}) is None:
        yield "without the global permission Browse users and groups nobody is recognised; give it to the account"


class JiraParser:
    """`parse_file` reads attachments."""

    def __init__(self, parse_file: ParseFile) -> None:
        self._parse_file = parse_file

    def __call__(self, record: RawRecord, sequence: int) -> Document:
        if record.kind == KIND:
            return attachment_document(record, sequence, self._parse_file)
        return jira_issue(record, sequence)
