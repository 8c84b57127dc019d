"""A secret that prints as stars. It enters by reference and leaves only by `reveal`."""

from __future__ import annotations

from typing import Any


class Secret:
    """Wraps a credential so that no log, error, repr or JSON shows it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: object) -> Any:
        """Lets options that hold a secret be checked: a resolved Secret, never the plain text."""
        from pydantic_core import core_schema

        return core_schema.is_instance_schema(cls)
