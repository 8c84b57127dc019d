"""Quotes as Markdown that shows their characters and does nothing else.

    Citation 2, "see [here](https://x.test) [1]" ──▶ "> see \\[here\\](https\\://x.test) \\[1\\] [2]"

Only escapes that CommonMark (0.31, "Backslash escapes") and GitHub's dialect know are added, and only where a
character would act, so that the source stays readable. What no reader could see is left out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from knowhub.core.types import Citation
from knowhub.formats.visible import visible

_ACTS = re.compile(r"[\\`*_\[\]<>~|]|&(?=#?\w+;)")
_LINKS = re.compile(r"(?<=\w):(?=//)|(?<=www)\.|(?<=mailto):|(?<=xmpp):|(?<=[\w.+-])@(?=\w)", re.IGNORECASE)
"""Where GitHub's dialect makes links of bare addresses."""
_BEGINS = re.compile(r"(\d{1,9})(?=[.)](?:\s|$))|(?=[#+=:-])")
"""What makes a list, a heading or a table of a line that begins so."""
_ESCAPED = r"\\\g<0>"
_BACKTICKS = re.compile(r"`+")


def as_markdown(conflict: str, citations: Sequence[Citation]) -> list[str]:
    """An answer's text in pieces, one a quote, to be joined with nothing between; `conflict` ("" none) comes first."""
    lead = f"{escaped(conflict)}.\n\n" if conflict else ""
    quotes = [_block_quote(citation) for citation in citations]
    return [f"{lead if at == 0 else chr(10) * 2}{quote}" for at, quote in enumerate(quotes)]


def escaped(text: str) -> str:
    """Text on one line, of which Markdown makes no link, image, mark, emphasis, HTML, list or heading."""
    line = " ".join(visible(" ".join(text.splitlines())).split())
    line = _LINKS.sub(_ESCAPED, _ACTS.sub(_ESCAPED, line))
    return _BEGINS.sub(r"\1\\", line, count=1) if _BEGINS.match(line) else line


def _block_quote(citation: Citation) -> str:
    """Ends in the citation's mark, `[1]`. Code keeps its lines, in a fence longer than any inside it."""
    lines = [visible(line) for line in citation.quote.splitlines()]
    mark = f"[{citation.number}]"
    if citation.kind == "code":
        fence = "`" * max(3, 1 + max(map(len, _BACKTICKS.findall(citation.quote)), default=0))
        return "\n".join(f"> {line}".rstrip() for line in (fence, *lines, fence, "", mark))
    return "> " + "\\\n> ".join(escaped(line) for line in lines if line.strip()) + f" {mark}"
