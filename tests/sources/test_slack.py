"""The Slack source against a simulated workspace: random histories, kills, secrets, idle cost."""

from __future__ import annotations

import random

from tests.contracts.api_source import ApiSourceContract, ApiWorld
from tests.servers.slack_world import SlackWorld


class TestSlack(ApiSourceContract):
    def world(self, rng: random.Random) -> ApiWorld:
        return SlackWorld(rng)
