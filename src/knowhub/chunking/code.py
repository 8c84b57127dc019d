"""Source code: by function and class where there is a grammar for it, else by lines.

text ──a byte a character──▶ syntax tree ──_Walk──▶ atoms, in order, none too long ──_merged()──▶ Piece, …
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from knowhub.chunking.languages import BODIES, CONTAINERS, LEADING, NAMED, definition_in, grammar, known, name_of
from knowhub.chunking.options import ChunkingOptions
from knowhub.chunking.pieces import Piece, context_of, split_lines, trim_lines
from knowhub.core.types import Document

if TYPE_CHECKING:
    from tree_sitter import Node

_MAX_DEPTH = 40
_ODD_SPACE = re.compile(r"[^\S\x00-\x7f]|\ufeff")
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]+")

Path = tuple[str, ...]


_Atom = tuple[int, Path, bool, "Node | None"]
"""What is cut no further unless by lines: its start (it ends where the next one starts), the definitions around it,
whether those are a function that had to be cut, and its node if that may be a definition. A plain tuple: there is
one for every statement."""


def chunk_code(document: Document, options: ChunkingOptions) -> Iterator[Piece]:
    """Whole definitions, neighbours together while they fit; a long function in overlapping parts.

    The context is the file's path, then that of the classes and functions around the chunk. The anchor
    names the chunk's lines. Comments and decorators stay with the definition after them.
    """
    text, file = document.text, document.location or document.title
    contexts: dict[Path, str] = {}
    line, last, before, done = 1, 1, 0, 0
    for start, end, path in _spans(document, options):
        line = last + text.count("\n", done, start) if start >= done else line + text.count("\n", before, start)
        last = line + text.count("\n", start, end)
        before, done = start, end
        if path not in contexts:
            contexts[path] = context_of(file, ".".join(path), limit=options.context_chars)
        yield Piece(start, end, contexts[path], f"#L{line}-L{last}" if last > line else f"#L{line}")


def _spans(document: Document, options: ChunkingOptions) -> Iterator[tuple[int, int, Path]]:
    text = document.text
    root = _parsed(text, document.language) if len(text) <= options.code_parse_chars else None
    if root is None:
        for start, end in split_lines(text, 0, len(text), options.code_chars, overlap=options.code_overlap_chars):
            yield start, end, ()
        return
    walk = _Walk(text, options.code_chars)
    walk.children(root, 0, (), False, 0)
    yield from _merged(text, walk.atoms, options)


def _parsed(text: str, language: str) -> Node | None:
    """The root of the syntax tree. None: no grammar, or not this language at all."""
    name = known(language)
    if not name:
        return None
    from tree_sitter import Parser

    root = Parser(grammar(name)).parse(_byte_a_character(text).encode()).root_node
    return None if root.type == "ERROR" else root


def _byte_a_character(text: str) -> str:
    """ASCII of the same length: outside it are words of names, strings and comments, and white space.

    So the parser's byte offsets are ours, and nothing has to be converted back.
    """
    if text.isascii():
        return text
    return _BEYOND_ASCII.sub(lambda match: "x" * len(match[0]), _ODD_SPACE.sub(" ", text))


class _Walk:
    """Goes down the tree, only into what is too long, and collects atoms in order of their start."""

    def __init__(self, text: str, limit: int) -> None:
        self.text = text
        self.limit = limit
        self.atoms: list[_Atom] = []

    def children(self, parent: Node, start: int, path: Path, splits: bool, depth: int) -> None:
        """`start` is where the parent's first atom begins: with its keyword, or a comment before it."""
        pending, before = start, -1
        for node in parent.named_children:
            kind, end = node.type, node.end_byte
            begin = pending if pending >= 0 else node.start_byte
            pending = -1
            if kind in LEADING and end - begin < self.limit // 2 and self._on_own_line(node, before):
                pending = begin
            elif end - begin <= self.limit and kind not in BODIES:
                self.atoms.append((begin, path, splits, node if kind in NAMED else None))
            else:
                self._inside(node, begin, path, splits, depth + 1)
            before = end
        if pending >= 0:
            self.atoms.append((pending, path, splits, None))

    def _on_own_line(self, node: Node, before: int) -> bool:
        return before < 0 or self.text.find("\n", before, node.start_byte) >= 0

    def _inside(self, node: Node, begin: int, path: Path, splits: bool, depth: int) -> None:
        if depth > _MAX_DEPTH or not node.named_child_count:
            # Quarters, so that what stands before and after it can fill up its first and last chunk.
            parts = split_lines(self.text, begin, node.end_byte, self.limit // 4)
            self.atoms += [(part, path, True, None) for part, _ in parts]
            return
        definition = definition_in(node)
        if definition is None or definition != node:
            self.children(node, begin, path, splits, depth)
            return
        name = name_of(definition, self.text)
        inside = (*path, name) if name else path
        self.children(node, begin, inside, definition.type not in CONTAINERS, depth)


def _merged(text: str, atoms: list[_Atom], options: ChunkingOptions) -> Iterator[tuple[int, int, Path]]:
    limit = options.code_chars
    ends = [atom[0] for atom in atoms[1:]] + [len(text)]
    at, start = 0, 0
    while at < len(atoms):
        first = at
        start = _start(text, atoms, first, ends[first], start, options)
        path = atoms[first][1]
        at += 1
        while at < len(atoms) and ends[at] - start <= limit and atoms[at][1] == path:
            at += 1
        yield from _cut(text, start, ends[at - 1], _path(text, atoms[first:at]), options)


def _start(text: str, atoms: list[_Atom], at: int, end: int, before: int, options: ChunkingOptions) -> int:
    """Inside a function that had to be cut, a chunk begins with the last lines of the one that began at `before`."""
    start, path, splits, _ = atoms[at]
    if not splits or not at or atoms[at - 1][1] != path:
        return start
    room = min(options.code_overlap_chars, options.code_chars - (end - start))
    back = text.find("\n", max(start - room - 1, before), start) + 1
    return back if 0 < back < start and room > 0 else start


def _cut(text: str, start: int, end: int, path: Path, options: ChunkingOptions) -> Iterator[tuple[int, int, Path]]:
    start, end = trim_lines(text, start, end)
    if end - start <= options.code_chars:
        if start < end:
            yield start, end, path
        return
    for first, last in split_lines(text, start, end, options.code_chars, overlap=options.code_overlap_chars):
        yield first, last, path


def _path(text: str, atoms: list[_Atom]) -> Path:
    """With the definition's own name where there is only one."""
    _, path, splits, _ = atoms[0]
    if splits:
        return path
    only = None
    for *_, node in atoms:
        found = definition_in(node) if node is not None else None
        if found is not None and only is not None:
            return path
        only = found or only
    name = name_of(only, text) if only is not None else ""
    return (*path, name) if name else path
