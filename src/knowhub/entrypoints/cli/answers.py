"""What search, ask and gaps print."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape

from knowhub.entrypoints.cli.output import age, console_here, plain, print_json, shortened

if TYPE_CHECKING:
    from knowhub.core.types import Answer, Citation, Hit, SourceState
    from knowhub.pipelines.gaps import Gap


def hits(text: str, found: Sequence[Hit], joined: Sequence[Sequence[Hit]], *, json: bool) -> None:
    """`joined`: for each hit the chunks around it, itself included, or none to show it alone."""
    if json:
        around = [[chunk.chunk.text for chunk in chunks] for chunks in joined]
        shown = [{**_hit(hit), "around": texts} for hit, texts in zip(found, around, strict=True)]
        return print_json({"query": text, "hits": shown})
    console = console_here()
    if not found:
        console.print("Nothing found.")
    for number, (hit, chunks) in enumerate(zip(found, joined, strict=True), 1):
        console.print(f"[bold]{number}. {escape(hit.title)}[/] [dim]{escape(_byline(hit))}[/]")
        for one in chunks:
            style = "bold" if one.chunk.id == hit.chunk.id else "dim"
            console.print(f"[{style}]{escape(one.chunk.text)}[/]")
        if not chunks:
            console.print(f"   {escape(shortened(hit.chunk.text))}")
        console.print(f"   [cyan]{escape(hit.link)}[/]", soft_wrap=True)
    return None


def _hit(hit: Hit) -> dict[str, Any]:
    return {
        "document": hit.chunk.document,
        "chunk": hit.chunk.id,
        "title": hit.title,
        "link": hit.link,
        "text": hit.chunk.text,
        "context": hit.chunk.context,
        "source": hit.source,
        "container": hit.container,
        "kind": hit.kind,
        "authors": hit.authors,
        "time": hit.chunk.time or hit.updated_at,
        "score": hit.score,
        "cosine": hit.cosine,
        "bm25": hit.bm25,
        "duplicates": hit.duplicates,
    }


def _byline(hit: Hit) -> str:
    time = hit.chunk.time or hit.updated_at
    author = hit.chunk.author or ", ".join(hit.authors[:2])
    return " · ".join(part for part in (hit.source, author, f"{time:%Y-%m-%d}" if time else "") if part)


def answer(given: Answer, *, json: bool) -> None:
    if json:
        fields = plain({**asdict(given), "nearest": [_hit(hit) for hit in given.nearest]})
        return print_json(fields)
    console = console_here()
    for line in (given.notice, f"Searched for: {given.searched}" if given.searched else ""):
        if line:
            console.print(f"[yellow]{escape(line)}[/]")
    if given.found:
        _found(console, given)
    else:
        _not_found(console, given)
    _freshness(console, given.sources)
    return None


def _found(console: Console, given: Answer) -> None:
    if given.conflict:
        console.print(f"[yellow]{escape(given.conflict)}[/]")
    if given.claims:
        console.print(f"{escape(given.text.strip())}\n", soft_wrap=True)
    for citation in (*given.citations, *given.elsewhere):
        _quote(console, citation)


def _not_found(console: Console, given: Answer) -> None:
    console.print("[yellow]Not found:[/] nothing here answers that.")
    titles: dict[str, str] = {}
    for hit in given.nearest:
        titles.setdefault(hit.title, hit.link)
    if titles:
        console.print("What came nearest:")
    for title, link in list(titles.items())[:3]:
        console.print(f"   {escape(title)} [cyan]{escape(link)}[/]", soft_wrap=True)


def _freshness(console: Console, sources: Sequence[SourceState]) -> None:
    """The footer: how fresh what was searched is."""
    read = [f"{state.source} {age(state.read_at)}" for state in sources if not state.problem]
    if read:
        console.print(f"[dim]Complete as of: {escape(', '.join(read))}[/]")
    for state in sources:
        if state.problem:
            console.print(f"[yellow]{escape(state.source)} {escape(state.problem)}; read {age(state.read_at)}[/]")


def gaps(found: Sequence[Gap], *, json: bool) -> None:
    if json:
        return print_json({"gaps": [plain(asdict(gap)) for gap in found]})
    console = console_here()
    if not found:
        console.print("No gaps: every question of the last days was answered, as far as anybody said.")
    for gap in found:
        often = "once" if gap.asked == 1 else f"{gap.asked} times, by {gap.people}"
        console.print(f"[bold]{escape(gap.question)}[/] [dim]asked {often}, last {age(gap.last_asked)}[/]")
        for example in gap.examples:
            console.print(f"   [dim]{escape(example)}[/]")
        if gap.owners:
            console.print(f"   might know: {escape(', '.join(owner.name for owner in gap.owners))}")
    return None


def _quote(console: Console, citation: Citation) -> None:
    by = " · ".join(
        part
        for part in (citation.source, citation.author, f"{citation.time:%Y-%m-%d}" if citation.time else "")
        if part
    )
    console.print(f"“{escape(citation.quote.strip())}”")
    console.print(f"   [bold]\\[{citation.number}] {escape(citation.title)}[/] [dim]{escape(by)}[/]")
    console.print(f"   [cyan]{escape(citation.link)}[/]", soft_wrap=True)
