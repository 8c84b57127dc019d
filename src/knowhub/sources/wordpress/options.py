"""What a person can say about a connection to a WordPress site."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from knowhub.connecting.options import ApiOptions
from knowhub.core.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class WordPressOptions(ApiOptions):
    """`base_url` is the site's address. Containers are post types (`post`, `page`, `attachment`, `event` …).

    `username` with an `application_password` adds drafts, private and protected content for those who may edit it.
    `languages` are asked for one by one (`?lang=`), for plugins that otherwise show the main language alone.
    """

    base_url: str
    username: str = ""
    application_password: Secret | None = None
    languages: tuple[str, ...] = ()
    comments: bool = True

    @property
    def signed_in(self) -> bool:
        return bool(self.username and self.application_password)


def faults(options: WordPressOptions) -> list[str]:
    """What is wrong with the options themselves, a sentence with its cure each."""
    found = []
    try:
        address = urlsplit(options.base_url)
        host, scheme = address.hostname or "", address.scheme
    except ValueError:
        host, scheme = "", ""
    if scheme not in ("http", "https") or not host:
        found.append(f"base_url {options.base_url!r} is not an address; write the site's, like https://example.com.")
    elif scheme == "http" and options.application_password and not _loopback(host):
        found.append("base_url is http, which shows the application password to the network; write https.")
    if bool(options.username) != bool(options.application_password):
        missing = "username" if options.application_password else "application_password"
        found.append(f"{missing} is missing; give both username and application_password, or neither.")
    return found


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
