"""Markdown documents for syncs: always the same ones, with sizes and headings as people's handbooks have them.

    python bench/documents.py FOLDER --count 5000

A page has a title, a few sections of sentences, lists and code, and 0.6–6 KB, two on average; `short` pages are one
section of some 400 characters. Every sentence is made from words of a small grammar and a number of its own, so that
no two texts are alike and nothing comes from an embedding cache.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator
from pathlib import Path

_ACTORS = [
    "team",
    "owner",
    "reviewer",
    "operator",
    "finance desk",
    "support lead",
    "new colleague",
    "release manager",
    "auditor",
]
_ACTS = [
    "checks",
    "approves",
    "restores",
    "archives",
    "publishes",
    "rotates",
    "compares",
    "signs",
    "escalates",
    "records",
]
_THINGS = [
    "invoice",
    "deployment",
    "backup",
    "customer ticket",
    "travel request",
    "access key",
    "migration plan",
    "dashboard",
    "contract",
    "database replica",
    "training schedule",
    "incident report",
    "purchase order",
    "release branch",
    "security exception",
]
_WHEN = [
    "every Monday",
    "before the release",
    "within two working days",
    "at month's end",
    "after an outage",
    "once a quarter",
]
_WHY = [
    "so that nobody waits",
    "because the auditors ask for it",
    "unless the change is urgent",
    "as agreed with legal",
    "or the request goes back to its author",
    "which keeps the queue short",
]
_TOPICS = [
    "Access",
    "Backups",
    "Billing",
    "Deployments",
    "Incidents",
    "Onboarding",
    "Purchasing",
    "Releases",
    "Reporting",
    "Travel",
]


def write(folder: Path, count: int, *, short: bool = False) -> None:
    """Files `NN/NNNNN.md`, a hundred in a folder."""
    for number in range(count):
        path = folder / f"{number // 100:03}" / f"{number:06}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page(number, short=short), encoding="utf-8")


def change(folder: Path, share: float, *, turn: int) -> int:
    """One sentence more in so many of the Markdown files under `folder`, evenly spread. Returns how many."""
    paths = sorted(folder.rglob("*.md"))
    step = max(1, round(1 / share))
    chosen = paths[turn % step :: step]
    for path in chosen:
        with path.open("a", encoding="utf-8") as file:
            file.write(f"\nRevision {turn}: {_sentence(random.Random(f'{path.name} {turn}'))}\n")
    return len(chosen)


def page(number: int, *, short: bool) -> str:
    chance = random.Random(number)
    parts = [f"# {chance.choice(_TOPICS)} {number}", _paragraph(chance, 3)]
    # Few pages are long, many are short: sizes of real handbooks follow a log-normal law.
    for _ in range(0 if short else min(14, max(1, round(chance.lognormvariate(1.2, 0.6))))):
        parts += _section(chance)
    return "\n\n".join(parts) + "\n"


def _section(chance: random.Random) -> Iterator[str]:
    yield f"{chance.choice(('##', '##', '###'))} {chance.choice(_TOPICS)} and the {chance.choice(_THINGS)}"
    yield _paragraph(chance, chance.randint(2, 5))
    kind = chance.random()
    if kind < 0.3:
        yield "\n".join(f"- {_sentence(chance)}" for _ in range(chance.randint(2, 5)))
    elif kind < 0.4:
        yield f"```sh\nrun --job {chance.randrange(10**6)} --only {chance.choice(_TOPICS).lower()}\n```"


def _paragraph(chance: random.Random, sentences: int) -> str:
    return " ".join(_sentence(chance) for _ in range(sentences))


def _sentence(chance: random.Random) -> str:
    actor, act, thing = chance.choice(_ACTORS), chance.choice(_ACTS), chance.choice(_THINGS)
    return f"The {actor} {act} {thing} {chance.randrange(10**5)} {chance.choice(_WHEN)}, {chance.choice(_WHY)}."


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--short", action="store_true")
    arguments = parser.parse_args()
    write(arguments.folder, arguments.count, short=arguments.short)


if __name__ == "__main__":
    main()
