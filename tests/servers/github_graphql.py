"""As much of GraphQL (https://spec.graphql.org/October2021/) as queries to GitHub need.

`execute` answers with the selected fields only and refuses fields that the schema below does not have.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

_TOKEN = re.compile(r'\.\.\.|[{}():,$!=\[\]]|"(?:[^"\\]|\\.)*"|[A-Za-z_][A-Za-z0-9_]*|-?\d+|#[^\n]*')


class GraphqlError(Exception):
    """A query that the server refuses as a whole."""


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    arguments: Mapping[str, Any]
    selection: tuple[Field, ...]


Resolver = Callable[[Mapping[str, Any]], Any]
"""Of a field with arguments. Objects are mappings whose values are plain, or resolvers."""


def execute(query: str, variables: Mapping[str, Any], root: Mapping[str, Any]) -> dict[str, Any]:
    parser = _Parser(query, variables)
    return {field.name: _value(root, field) for field in parser.operation()}


def connection(nodes: list[Any], arguments: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """A page of `nodes` by `first` and `after` (https://docs.github.com/en/graphql/guides/using-pagination)."""
    first = arguments.get("first")
    if not isinstance(first, int) or not 1 <= first <= 100:
        raise GraphqlError("you must provide a `first` value between 1 and 100")
    start = int(str(arguments["after"]).removeprefix("c")) if arguments.get("after") else 0
    page = nodes[start : start + first]
    end = start + len(page)
    info = {"hasNextPage": end < len(nodes), "endCursor": f"c{end}" if page else None}
    return {"totalCount": len(nodes), "nodes": page, "pageInfo": info, **more}


def _value(owner: Mapping[str, Any], field: Field) -> Any:
    if field.name not in owner:
        raise GraphqlError(f"Field '{field.name}' doesn't exist")
    value = owner[field.name]
    if callable(value):
        value = value(field.arguments)
    elif field.arguments:
        raise GraphqlError(f"Field '{field.name}' doesn't accept arguments")
    return _selected(value, field)


def _selected(value: Any, field: Field) -> Any:
    if isinstance(value, list):
        return [_selected(one, field) for one in value]
    if isinstance(value, Mapping):
        if not field.selection:
            raise GraphqlError(f"Field '{field.name}' must have selections")
        return {inner.name: _value(value, inner) for inner in field.selection}
    if field.selection and value is not None:
        raise GraphqlError(f"Selections can't be made on scalars (field '{field.name}')")
    return value


class _Parser:
    def __init__(self, query: str, variables: Mapping[str, Any]) -> None:
        self._tokens = [token for token in _TOKEN.findall(query) if not token.startswith("#")]
        self._variables = variables
        self._at = 0

    def operation(self) -> tuple[Field, ...]:
        if self._peek() == "query":
            while self._peek() != "{":
                self._next()
        return self._selection()

    def _selection(self) -> tuple[Field, ...]:
        self._expect("{")
        fields: list[Field] = []
        while self._peek() != "}":
            if self._peek() == "...":
                self._next()
                self._expect("on")
                self._next()
                fields += self._selection()
            else:
                fields.append(self._field())
        self._next()
        return tuple(fields)

    def _field(self) -> Field:
        name, arguments = self._next(), {}
        if self._peek() == "(":
            arguments = self._pairs("(", ")")
        return Field(name, arguments, self._selection() if self._peek() == "{" else ())

    def _pairs(self, begin: str, end: str) -> dict[str, Any]:
        self._expect(begin)
        pairs = {}
        while self._peek() != end:
            if self._peek() == ",":
                self._next()
                continue
            name = self._next()
            self._expect(":")
            pairs[name] = self._literal()
        self._next()
        return pairs

    def _literal(self) -> Any:
        if self._peek() == "{":
            return self._pairs("{", "}")
        token = self._next()
        if token == "$":
            return self._variables.get(self._next())
        if token.lstrip("-").isdigit():
            return int(token)
        plain: dict[str, Any] = {"true": True, "false": False, "null": None}
        return plain.get(token, token.strip('"'))

    def _peek(self) -> str:
        if self._at >= len(self._tokens):
            raise GraphqlError("Parse error on end of input")
        token: str = self._tokens[self._at]
        return token

    def _next(self) -> str:
        token = self._peek()
        self._at += 1
        return token

    def _expect(self, token: str) -> None:
        if (found := self._next()) != token:
            raise GraphqlError(f'Parse error: expected "{token}", found "{found}"')
