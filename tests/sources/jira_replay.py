"""A Data Center that holds real issues as they were dumped, and answers what a first sync asks."""

from __future__ import annotations

import re
from typing import Any

from knowhub.sources.jira.api import milliseconds
from tests.servers.kit import Answer, Asked, SimulatedApi, VirtualClock

_PROJECTS = re.compile(r"\bproject in \(([\d,]+)\)")
_IDS = re.compile(r"\bid in \(([\d,]+)\)")
_NOT_IDS = re.compile(r"\bid not in \(([\d,]+)\)")
_SINCE = re.compile(r"(updated|created) >= (\d+)")


class Replay(SimulatedApi):
    def __init__(self, clock: VirtualClock, dumps: list[dict[str, Any]]) -> None:
        super().__init__(clock)
        self.dumps = dumps

    def answer(self, asked: Asked) -> Answer:
        match asked.parts[3:]:
            case ["serverInfo"]:
                return Answer({"baseUrl": "https://jira.example", "deploymentType": "Server"})
            case ["project"]:
                return Answer(list({d["fields"]["project"]["id"]: d["fields"]["project"] for d in self.dumps}.values()))
            case ["search"]:
                return self._search(asked.json)
            case ["issue", id, "comment"]:
                comments = next(dump for dump in self.dumps if dump["id"] == id)["fields"]["comment"]["comments"]
                return Answer({"total": len(comments), "comments": comments[asked.number("startAt", 0) :]})
        return Answer({"errorMessages": ["not here"]}, 404)

    def _search(self, body: dict[str, Any]) -> Answer:
        jql, _, order = body["jql"].partition(" ORDER BY ")
        field = order.split()[0] if order else "created"
        found = sorted(self.dumps, key=lambda dump: milliseconds(dump["fields"][field]))
        if projects := _PROJECTS.search(jql):
            found = [dump for dump in found if dump["fields"]["project"]["id"] in projects[1].split(",")]
        if ids := _IDS.search(jql):
            found = [dump for dump in found if dump["id"] in ids[1].split(",")]
        if ids := _NOT_IDS.search(jql):
            found = [dump for dump in found if dump["id"] not in ids[1].split(",")]
        for field, least in _SINCE.findall(jql):
            found = [dump for dump in found if milliseconds(dump["fields"][field]) >= int(least)]
        return Answer({"total": len(found), "issues": found[: body["maxResults"]]})
