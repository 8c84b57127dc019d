"""One Slack channel of many messages on loopback, and the barest loop that reads it: get a page, decode it, go on.

python -m bench.slack_channel serve COUNT      prints its address
python -m bench.slack_channel read ADDRESS     prints how many messages it saw
"""

from __future__ import annotations

import json
import random
import sys
from bisect import bisect_left
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

PAGE = 999
CHANNEL = "C0BENCH01"
PEOPLE = 40
_SECONDS_BETWEEN = 60
_TEXT = "the gate of our harbour opens at noon because a crane was late and nobody knew who holds its key"


def messages(count: int) -> Iterator[dict[str, Any]]:
    """One a minute up to now, oldest first, with the blocks that people's messages have."""
    rng, words = random.Random(count), _TEXT.split()
    start = int(datetime.now(UTC).timestamp()) - count * _SECONDS_BETWEEN
    for number in range(count):
        text = " ".join(rng.choices(words, k=rng.randrange(5, 60)))
        section = {"type": "rich_text_section", "elements": [{"type": "text", "text": text}]}
        yield {
            "type": "message", "user": f"U{number % PEOPLE:07}", "text": text, "team": "T0BENCH",
            "ts": f"{start + number * _SECONDS_BETWEEN}.{number % 1_000_000:06}",
            "client_msg_id": f"{rng.getrandbits(128):032x}",
            "blocks": [{"type": "rich_text", "block_id": "x1", "elements": [section]}],
        }  # fmt: skip


def serve(count: int) -> None:
    made = [(message["ts"], json.dumps(message).encode()) for message in messages(count)]
    times, encoded = [ts for ts, _ in made], [data for _, data in made]
    people = [{"id": f"U{n:07}", "name": f"p{n}", "profile": {"display_name": f"Person {n}"}} for n in range(PEOPLE)]
    others: dict[str, Any] = {
        "auth.test": {"url": "https://bench.slack.com/", "team_id": "T0BENCH", "bot_id": "B1"},
        "users.list": {"members": people},
        "conversations.list": {"channels": [{"id": CHANNEL, "name": "bench", "is_member": True}]},
    }

    class Slack(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def do_GET(self) -> None:  # the method's name is the standard library's
            target = urlsplit(self.path)
            method = target.path.rpartition("/")[2]
            if method == "conversations.history":
                body = self._page(parse_qs(target.query))
            else:
                body = json.dumps({"ok": True, **others.get(method, {})}).encode()
            self.send_response_only(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _page(self, asked: dict[str, list[str]]) -> bytes:
            high = bisect_left(times, asked.get("latest", ["9"])[0])
            low = max(bisect_left(times, asked.get("oldest", ["0"])[0]), high - PAGE)
            more = b"true" if low else b"false"
            return b'{"ok":true,"messages":[' + b",".join(reversed(encoded[low:high])) + b'],"has_more":' + more + b"}"

        def log_message(self, format: str, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Slack)
    print(f"http://127.0.0.1:{server.server_address[1]}/api", flush=True)
    server.serve_forever()


def read(address: str) -> int:
    """With the client and the decoder that knowhub has, and nothing else of it."""
    import httpx2
    from pydantic_core import from_json

    latest, seen = "", 0
    with httpx2.Client() as client:
        while True:
            asked = {"channel": CHANNEL, "limit": str(PAGE), **({"latest": latest} if latest else {})}
            page = from_json(client.get(f"{address}/conversations.history", params=asked).content)
            seen += len(page["messages"])
            if not page["has_more"]:
                return seen
            latest = page["messages"][-1]["ts"]


if __name__ == "__main__":
    role, subject = sys.argv[1:]
    if role == "serve":
        serve(int(subject))
    else:
        print(read(subject))
