"""What a person chooses of a Jira connection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from knowhub.connecting.options import ApiOptions
from knowhub.connecting.versions import digest
from knowhub.core.secret import Secret

Edition = Literal["auto", "cloud", "data_center"]


@dataclass(frozen=True, slots=True, kw_only=True)
class JiraOptions(ApiOptions):
    """`base_url` is the site. With `email`, `token` is a Cloud API token, without a Data Center personal token.

    `overlap_minutes` is how far each sync looks back: the search learns of changes late. `history` adds the change
    history to the text. `edition` "auto" asks the site.
    """

    token: Secret
    email: str = ""
    edition: Edition = "auto"
    overlap_minutes: float = 180
    worklogs: bool = True
    history: bool = False

    def choices(self) -> str:
        """Changes when what is stored of an issue that did not change would be different."""
        return digest(2, self.readers, self.worklogs, self.history, self.attachments, self.max_attachment_bytes)
