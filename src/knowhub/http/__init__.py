"""Requests to vendors' APIs: credentials, patience, limits, redirects and errors, once for all connectors."""

from knowhub.http.auth import Auth, basic, bearer, header, no_auth, query
from knowhub.http.client import Download, Http
from knowhub.http.clock import SYSTEM_CLOCK, Clock
from knowhub.http.errors import Missing, Refused, Rejected, TooLarge, Unavailable, Undecodable
from knowhub.http.pacing import Pace
from knowhub.http.paging import linked_pages, unrepeated
from knowhub.http.reply import Reply

__all__ = [
    "SYSTEM_CLOCK",
    "Auth",
    "Clock",
    "Download",
    "Http",
    "Missing",
    "Pace",
    "Refused",
    "Rejected",
    "Reply",
    "TooLarge",
    "Unavailable",
    "Undecodable",
    "basic",
    "bearer",
    "header",
    "linked_pages",
    "no_auth",
    "query",
    "unrepeated",
]
