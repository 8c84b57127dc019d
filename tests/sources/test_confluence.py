"""Confluence, Cloud and Data Center: random histories, kills and secrets, by the conformance kit."""

from __future__ import annotations

import random

from tests.contracts.api_source import ApiSourceContract
from tests.sources.confluence_world import WikiWorld


class TestConfluenceCloud(ApiSourceContract):
    histories = 3

    def world(self, rng: random.Random) -> WikiWorld:
        return WikiWorld("cloud", rng)


class TestConfluenceDataCenter(ApiSourceContract):
    histories = 3

    def world(self, rng: random.Random) -> WikiWorld:
        return WikiWorld("data_center", rng)
