"""Driving the Slack source against the simulated workspace, and looking at what comes out."""

from __future__ import annotations

from typing import Any

from knowhub.core.secret import Secret
from knowhub.core.types import Document, Fetched, ItemId, SourceName
from knowhub.formats.files import parse_file
from knowhub.sources.slack import SlackOptions, SlackParser, SlackSource
from tests.contracts.source import LedgerModel
from tests.servers.kit import VirtualClock
from tests.servers.slack import BOT_USER, Channel, SlackServer, User

DAY_S = 86_400


def workspace() -> SlackServer:
    """Ana and Bo, and the public channel #ops, in which the app and Ana are."""
    slack = SlackServer(VirtualClock())
    slack.users |= {"U1": User("U1", "Ana"), "U2": User("U2", "Bo")}
    slack.channels["C1"] = Channel("C1", "ops", "public", {"U1", BOT_USER})
    return slack


def source(slack: SlackServer, **options: Any) -> SlackSource:
    backfill = options.pop("backfill", None)
    made = SlackOptions(token=Secret(slack.token), base_url=f"{slack.url}/api", **options)
    return SlackSource(SourceName("chat"), made, clock=slack.clock, backfill=backfill)


def days_ago(slack: SlackServer, days: float) -> float:
    return slack.clock.now().timestamp() - days * DAY_S


def asked(slack: SlackServer, method: str) -> list[dict[str, str]]:
    return [{k: v[-1] for k, v in one.query.items()} for one in slack.log if one.parts[-1] == method]


def parsed(ledger: LedgerModel, item: str) -> Document:
    return SlackParser(parse_file)(ledger.records[ItemId(item)], 1)


def texts(ledger: LedgerModel) -> dict[str, str]:
    return {item: parsed(ledger, item).text for item in ledger.records}


def only(seen: list[Fetched], kind: type[Any]) -> list[Any]:
    return [one for one in seen if isinstance(one, kind)]
