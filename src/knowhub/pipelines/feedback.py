"""What people say of answers becomes a case of the project's own evaluation: AskedQuestion ▸ `[[question]]` of a file.

`knowhub eval feedback.toml` asks them all again. A person completes what only a person knows: the right `answer`.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path

from knowhub.core.errors import TransientError, UnreadableContent
from knowhub.core.ports import AskedQuestion

MOST_BYTES = 16 * 1024 * 1024
_CASE = "[[question]]"


def case(asked: AskedQuestion) -> str:
    """One `[[question]]` table of TOML: what was useful must be quoted again, what was not must not."""
    lines = ["", _CASE, f"id = {_text(asked.id)}", f"text = {_text(asked.question)}"]
    if asked.useful and asked.found:
        lines += [f"answer = {_text(asked.quote)}", f"document = [{', '.join(map(_text, asked.documents))}]"]
    elif asked.found:
        lines += [f"wrong = {_text(asked.quote)}", f"cited = [{', '.join(map(_text, asked.documents))}]"]
    elif asked.useful:
        lines += ["answerable = false"]
    else:
        lines += ["answerable = true"]
    lines += [f"reason = {_text(asked.reason)}", f"asked = {asked.at.isoformat(timespec='seconds')}"]
    return "\n".join(lines) + "\n"


def append_case(file: Path, asked: AskedQuestion) -> None:
    """Add the case in one write; of two with one `id` the later counts.

    Raises TransientError if it cannot, and where the file is full: whoever may ask could fill the disk with it.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("ab", buffering=0) as cases:
            if cases.tell() > MOST_BYTES:
                raise TransientError(f"{file} is full of feedback", cure="Look through it, and move it away.")
            cases.write(case(asked).encode())
    except OSError as error:
        raise TransientError(f"feedback could not be written to {file}: {error.strerror}") from error


def erase_cases(file: Path, quotes: Callable[[str], bool]) -> None:
    """Take out the cases that quote a document for whose id `quotes` is true; all else stays as it is written.

    Raises TransientError if the file cannot be rewritten, UnreadableContent if a person broke it.
    """
    try:
        written = file.read_text("utf-8") if file.exists() else ""
        head, *cases = written.split(f"\n{_CASE}\n")
        kept = [one for one in cases if not any(map(quotes, _cited(file, one)))]
        if len(kept) < len(cases):
            beside = file.with_name(f"{file.name}.new")
            beside.write_text("".join([head, *(f"\n{_CASE}\n{one}" for one in kept)]), "utf-8")
            beside.replace(file)
    except OSError as error:
        raise TransientError(f"feedback could not be erased from {file}: {error.strerror}") from error


def _cited(file: Path, case: str) -> list[str]:
    try:
        table = tomllib.loads(case)
    except tomllib.TOMLDecodeError as error:
        raise UnreadableContent(f"{file}: {error}", cure="Correct the TOML, then forget again.") from error
    named = [table.get("document", []), table.get("cited", [])]
    return [name for value in named for name in ([value] if isinstance(value, str) else value)]


def _text(value: str) -> str:
    """A basic string of TOML: JSON's escapes are its own, but for what JSON leaves alone."""
    whole = value.encode("utf-8", "replace").decode("utf-8")
    return json.dumps(whole, ensure_ascii=False).replace("\x7f", "\\u007f")
