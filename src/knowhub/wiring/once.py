"""Parts that are made when they are first asked for, and once, however many threads ask at that moment."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

Part = TypeVar("Part")


class once(Generic[Part]):  # noqa: N801  # used as a decorator, like property
    """`functools.cached_property` has no lock since Python 3.12: two threads would each make a part, and use both.

    Each part of each object has a lock of its own: while a model is loaded, nobody waits for the ledger.
    """

    def __init__(self, make: Callable[[Any], Part]) -> None:
        self._make = make
        self.__doc__ = make.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, owner: type | None = None) -> Part:
        # Not looked at again once the part is made: it lies in front of this descriptor.
        made = instance.__dict__
        with made.setdefault(f"{self._name} is being made", threading.RLock()):
            if self._name not in made:
                made[self._name] = self._make(instance)
            part: Part = made[self._name]
            return part
