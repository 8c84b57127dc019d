"""What a person can choose of a Confluence connection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from knowhub.connecting.options import ApiOptions
from knowhub.core.secret import Secret

Edition = Literal["cloud", "data_center"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfluenceOptions(ApiOptions):
    """`token` is an API token (Cloud) or a personal access token (Data Center).

    With `email` (or, on Data Center, a user name) it is sent as a password, without as a bearer token. `include` and
    `exclude` are over spaces' keys, names and ids.
    """

    token: Secret
    email: str = ""
    edition: Literal["auto", "cloud", "data_center"] = "auto"
    personal_spaces: bool = False
    archived: bool = True
