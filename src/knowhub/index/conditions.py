"""What a search is restricted to, as a SQL condition over the columns of `rows.SCHEMA`.

Every value goes through `quoted`: SQL strings end at a single quote and know no other escape
(https://datafusion.apache.org/user-guide/sql/).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from knowhub.core.types import Filters
from knowhub.index.rows import micros


def quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def any_of(column: str, values: Iterable[str]) -> str:
    return f"{column} IN ({','.join(quoted(value) for value in values)})"


def conditions(filters: Filters) -> list[str]:
    """One condition for each filter that is given.

    An author is the chunk's own where it has one, else any of its document's. A time is the chunk's own, else the
    last change of its document; bounds are `since <= time < until`, and what has no time is in no interval.
    """
    found = [
        any_of(column, values)
        for column, values in (
            ("source", filters.sources),
            ("kind", filters.kinds),
        )
        if values
    ] + _places(filters)
    if filters.authors:
        names = ",".join(quoted(name) for name in filters.authors)
        found.append(f"(author <> '' AND author IN ({names}) OR (author = '' AND array_has_any(authors, [{names}])))")
    return found + _bounds(filters.since, filters.until)


def _places(filters: Filters) -> list[str]:
    either = [any_of("container", filters.containers)] if filters.containers else []
    either += [f"(source = {quoted(source)} AND container = {quoted(one)})" for source, one in filters.places]
    return [f"({' OR '.join(either)})"] if either else []


def _bounds(since: datetime | None, until: datetime | None) -> list[str]:
    found = [] if since is None else [f"moment >= {micros(since)}"]
    return found if until is None else [*found, f"moment < {micros(until)}"]
