"""One fetch: the channels of all servers one after the other, and what is yielded for those that are not read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from functools import partial

from knowhub.connecting.attachments import Attachments
from knowhub.connecting.selection import EXCLUDED
from knowhub.connecting.versions import due
from knowhub.core.errors import AccessDenied
from knowhub.core.ports import Known
from knowhub.core.types import Census, Checkpoint, ContainerGone, ContainerId, Cursor, Fetched, Gap, ItemId, Skipped
from knowhub.http import Missing, Rejected, Unavailable, Undecodable
from knowhub.sources.discord.api import TokenRefused, Unlistable
from knowhub.sources.discord.permissions import may_read
from knowhub.sources.discord.places import Place
from knowhub.sources.discord.reading import ChannelReader
from knowhub.sources.discord.survey import Json, Surveyed, Surveyor, unreadable
from knowhub.sources.discord.visit import ContentWithheld, NothingReadable, Visit

_PATIENCE = 2
"""Channels in a row that nobody answers for, before the whole source counts as unreachable."""
_INTENTS = "in the Developer Portal (discord.com/developers/applications), under Bot ▸ Privileged Gateway Intents"
NO_CONTENT = f"Discord withholds the text of messages: turn on the Message Content intent {_INTENTS}"
NO_MEMBERS = (
    f"the bot may not list members, so that nobody would find anything: turn on the Server Members intent {_INTENTS}"
)


class Syncing:
    """One fetch: the states of all channels, and what is yielded for channels that are not read."""

    def __init__(
        self, surveyor: Surveyor, attachments: Attachments, cursor: Cursor | None, known: Known, now: datetime
    ) -> None:
        kept: Json = json.loads(json.dumps(cursor)) if cursor else {}
        self._surveyor = surveyor
        self._attachments = attachments
        self._known = known
        self._now = now
        self._channels: dict[str, Json] = kept.get("channels", {})
        self._gaps: list[str] = kept.get("gaps", [])
        self._reread: str | None = kept.get("reread")
        self._seen: set[str] = set()
        self._counted: set[str] = set()
        self._silent = 0

    def checkpoint(self) -> Checkpoint:
        return Checkpoint(json.loads(json.dumps(self._value())))

    def _value(self) -> Json:
        return {"channels": self._channels, "gaps": self._gaps, "reread": self._reread}

    def final(self) -> Cursor:
        """The walks that came to their end are censuses now."""
        for id in self._counted:
            state = self._channels[id]
            if walk := state.pop("walk", None):
                state |= {"census": walk["began"], "system": walk["system"]}
                state |= {"deep": walk["began"]} if walk["deep"] else {}
        if self._due():
            self._reread = self._now.isoformat()
        return self._value()

    def _due(self) -> bool:
        return due(self._reread, self._surveyor.options.reread_minutes / 60, self._now)

    # ── servers ──────────────────────────────────────────────────────────────────────────────────────

    def guild(self, surveyed: Surveyed, *, withheld: bool) -> Iterator[Fetched]:
        surveyor = self._surveyor
        if surveyed.guild.id in self._gaps:
            self._gaps.remove(surveyed.guild.id)
            yield ContainerGone(ContainerId(surveyed.guild.id))
        visit = Visit(
            api=surveyor.api,
            options=surveyor.options,
            attachments=self._attachments,
            known=self._known,
            names={},
            bot=surveyed.bot.user,
            now=self._now,
            reread=self._reread is not None and self._due(),
            checkpoint=self.checkpoint,
            still_readable=surveyor.still_readable,
        )
        for place in map(partial(surveyor.place, surveyed), surveyed.channels):
            self._seen.add(place.id)
            here = replace(visit, names=surveyed.names_at(place.channel))
            yield from self._channel(place, here, surveyed.active, withheld=withheld)

    def guild_gap(self, guild: Json, error: str) -> Iterator[Gap]:
        """Of a server that cannot be read, every channel that we know of is a gap, or the server itself."""
        id = str(guild["id"])
        held = [channel for channel, state in self._channels.items() if state.get("guild") == id]
        self._seen.update(held)
        for channel in held:
            yield Gap(ContainerId(channel), str(self._channels[channel].get("name")), error)
        if not held:
            self._seen.add(id)
            self._gaps = sorted({*self._gaps, id})
            yield Gap(ContainerId(id), str(guild["name"]), error)

    def departed(self, guilds: list[Json]) -> Iterator[ContainerGone | Gap]:
        """Channels that the complete lists no longer have, and those of servers that the bot is no longer in.

        A list of servers that was short, or a server with a new name, is no reason to delete all of it.
        """
        listed = {str(guild["id"]) for guild in guilds}
        held = {item.container for item in self._known.items()} | {ContainerId(id) for id in self._channels}
        why: dict[str, str] = {}
        for container in sorted(held - {ContainerId(id) for id in self._seen}):
            state = self._channels.get(container, {})
            guild = str(state.get("guild", ""))
            if guild and guild not in listed and guild not in why:
                why[guild] = self._surveyor.unlisted(guild, guilds)
            if error := why.get(guild, ""):
                yield Gap(container, str(state.get("name")), error)
            else:
                self._channels.pop(container, None)
                yield ContainerGone(container)
        for id in [id for id in self._gaps if id not in listed]:
            self._gaps.remove(id)
            yield ContainerGone(ContainerId(id))

    # ── channels ─────────────────────────────────────────────────────────────────────────────────────

    def _channel(self, place: Place, visit: Visit, active: list[Json], *, withheld: bool) -> Iterator[Fetched]:
        if not self._surveyor.takes(place):
            self._channels.pop(place.id, None)
            yield Skipped(place.container, ItemId(place.id), EXCLUDED, place.label)
            yield Census(place.container, place.label, frozenset({ItemId(place.id)}), 1)
        elif not may_read(place.bits, place.channel):
            yield self._gap(place, unreadable(place))
        elif withheld:
            yield self._gap(place, NO_CONTENT)
        else:
            yield from self._read(place, visit, active)

    def _read(self, place: Place, visit: Visit, active: list[Json]) -> Iterator[Fetched]:
        state = self._channels.setdefault(place.id, {})
        state |= {"guild": place.guild.id, "name": place.label}
        try:
            yield from ChannelReader(visit, place, state).read(active)
            self._counted.add(place.id)
            self._silent = 0
        except TokenRefused:
            raise
        except AccessDenied as error:
            yield self._gap(place, f"{error.message}; give the bot's role View Channel and Read Message History")
        except ContentWithheld:
            yield self._gap(place, NO_CONTENT)
        except NothingReadable:
            yield self._gap(place, "the bot lost Read Message History while it was reading; give it back")
        except Unlistable as error:
            yield Gap(place.container, place.label, f"{error.message}; open some of them again")
        except (Missing, Rejected) as error:
            yield Gap(place.container, place.label, f"{error.message}; it may have been deleted meanwhile: sync again")
        except (Unavailable, Undecodable) as error:
            self._silent += 1
            if self._silent >= _PATIENCE:
                raise
            yield Gap(place.container, place.label, error.message)
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            yield Gap(place.container, place.label, f"Discord's answer for it is not what it documents: {error!r}")

    def _gap(self, place: Place, error: str) -> Gap:
        """What is readable again later is read from its beginning: nobody knows what happened meanwhile."""
        self._channels[place.id] = {"guild": place.guild.id, "name": place.label}
        return Gap(place.container, place.label, error)
