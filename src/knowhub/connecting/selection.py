"""Which containers a person chose, by patterns over what they are called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

EXCLUDED = "excluded by configuration"


@dataclass(frozen=True, slots=True)
class Selection:
    """Shell patterns, without regard to case and to a leading `#`. `exclude` wins."""

    include: Sequence[str] = ()
    exclude: Sequence[str] = ()

    def takes(self, *names: str) -> bool:
        """`names`: everything that a person might call the container, its id among them."""
        chosen = not self.include or _any_matches(names, self.include)
        return chosen and not _any_matches(names, self.exclude)


def _any_matches(names: Sequence[str], patterns: Sequence[str]) -> bool:
    folded = [name.lower().removeprefix("#") for name in names]
    return any(fnmatchcase(name, pattern.lower().removeprefix("#")) for name in folded for pattern in patterns)
