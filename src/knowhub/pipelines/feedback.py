"""What people say of answers becomes a case of the project's own evaluation: AskedQuestion ▸ `[[question]]` of a file.

`knowhub eval feedback.toml` asks them all again. A person completes what only a person knows: the right `answer`.
"""

from __future__ import annotations

import json
from pathlib import Path

from knowhub.core.errors import TransientError
from knowhub.core.ports import AskedQuestion


def case(asked: AskedQuestion) -> str:
    """One `[[question]]` table of TOML: what was useful must be quoted again, what was not must not."""
    lines = ["", "[[question]]", f"id = {_text(asked.id)}", f"text = {_text(asked.question)}"]
    if asked.useful and asked.found:
        lines += [f"answer = {_text(asked.quote)}", f"document = [{', '.join(map(_text, asked.documents))}]"]
    elif asked.found:
        lines += [f"wrong = {_text(asked.quote)}"]
    elif asked.useful:
        lines += ["answerable = false"]
    else:
        lines += ["answerable = true"]
    lines += [f"reason = {_text(asked.reason)}", f"asked = {asked.at.isoformat(timespec='seconds')}"]
    return "\n".join(lines) + "\n"


def append_case(file: Path, asked: AskedQuestion) -> None:
    """Add the case in one write; of two with one `id` the later counts. Raises TransientError if it cannot."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8") as cases:
            cases.write(case(asked))
    except OSError as error:
        raise TransientError(f"feedback could not be written to {file}: {error.strerror}") from error


def _text(value: str) -> str:
    """A basic string of TOML: JSON's escapes are its own, but for what JSON leaves alone."""
    whole = value.encode("utf-8", "replace").decode("utf-8")
    return json.dumps(whole, ensure_ascii=False).replace("\x7f", "\\u007f")
