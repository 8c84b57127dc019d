"""Writes ONNX files of a few nodes, as https://github.com/onnx/onnx/blob/main/onnx/onnx.proto numbers the fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FLOAT, INT64 = 1, 7


@dataclass(frozen=True, slots=True)
class Node:
    kind: str
    inputs: Sequence[str]
    output: str


def model_bytes(
    inputs: Sequence[str],
    nodes: Sequence[Node],
    tables: Mapping[str, NDArray[Any]],
    output: str,
    output_shape: Sequence[int | str],
) -> bytes:
    """A graph whose inputs are int64 (texts, tokens) and whose output is float32; tables are float32 or int64."""
    graph = b"".join(_field(1, _node(node)) for node in nodes)
    graph += _field(2, b"tiny")
    graph += b"".join(_field(5, _tensor(name, table)) for name, table in tables.items())
    graph += b"".join(_field(11, _value(name, INT64, ["texts", "tokens"])) for name in inputs)
    graph += _field(12, _value(output, FLOAT, output_shape))
    return _number(1, 8) + _field(7, graph) + _field(8, _number(2, 13))


def _node(node: Node) -> bytes:
    named = b"".join(_field(1, name.encode()) for name in node.inputs)
    return named + _field(2, node.output.encode()) + _field(4, node.kind.encode())


def _tensor(name: str, table: NDArray[Any]) -> bytes:
    dimensions = b"".join(_number(1, size) for size in table.shape)
    kind = INT64 if table.dtype == np.int64 else FLOAT
    return dimensions + _number(2, kind) + _field(8, name.encode()) + _field(9, table.tobytes())


def _value(name: str, kind: int, shape: Sequence[int | str]) -> bytes:
    sizes = (_number(1, size) if isinstance(size, int) else _field(2, size.encode()) for size in shape)
    tensor = _number(1, kind) + _field(2, b"".join(_field(1, size) for size in sizes))
    return _field(1, name.encode()) + _field(2, _field(1, tensor))


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _field(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + _varint(rest) if rest else bytes([low])
