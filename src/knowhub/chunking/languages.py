"""Programming languages: their grammars, and what their syntax trees call a definition.

Each grammar is a package of its own that carries the compiled parser; it is imported at its first use.
"""

from __future__ import annotations

import importlib
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tree_sitter import Language, Node

_GRAMMARS: Final[dict[str, tuple[str, str]]] = {
    "python": ("tree_sitter_python", "language"),
    "javascript": ("tree_sitter_javascript", "language"),
    "typescript": ("tree_sitter_typescript", "language_typescript"),
    "tsx": ("tree_sitter_typescript", "language_tsx"),
    "java": ("tree_sitter_java", "language"),
    "go": ("tree_sitter_go", "language"),
    "rust": ("tree_sitter_rust", "language"),
    "c": ("tree_sitter_c", "language"),
    "cpp": ("tree_sitter_cpp", "language"),
    "ruby": ("tree_sitter_ruby", "language"),
    "php": ("tree_sitter_php", "language_php"),
    "csharp": ("tree_sitter_c_sharp", "language"),
    "kotlin": ("tree_sitter_kotlin", "language"),
    "sql": ("tree_sitter_sql", "language"),
    "shell": ("tree_sitter_bash", "language"),
}

_ALIASES: Final[dict[str, str]] = {
    "py": "python",
    "js": "javascript",
    "jsx": "javascript",
    "ts": "typescript",
    "typescriptreact": "tsx",
    "javascriptreact": "javascript",
    "golang": "go",
    "rs": "rust",
    "c++": "cpp",
    "cxx": "cpp",
    "rb": "ruby",
    "c#": "csharp",
    "c_sharp": "csharp",
    "cs": "csharp",
    "kt": "kotlin",
    "bash": "shell",
    "sh": "shell",
    "zsh": "shell",
}


def _types(names: str) -> frozenset[str]:
    return frozenset(names.split())


CONTAINERS: Final = _types("""
    class class_definition class_declaration abstract_class_declaration class_specifier singleton_class
    interface_declaration enum_declaration enum_specifier enum_item record_declaration annotation_type_declaration
    struct_declaration struct_specifier struct_item union_specifier union_item impl_item trait_item trait_declaration
    object_declaration companion_object mod_item module internal_module namespace_declaration namespace_definition
    file_scoped_namespace_declaration type_spec type_alias_declaration create_table create_view create_type
""")
"""Node types whose members are definitions of their own, and do not overlap."""

FUNCTIONS: Final = _types("""
    function_definition function_declaration generator_function_declaration function_item function_signature_item
    method method_definition method_declaration singleton_method constructor_declaration destructor_declaration
    compact_constructor_declaration secondary_constructor operator_declaration conversion_operator_declaration
    property_declaration local_function_statement variable_declarator create_function create_procedure
    create_trigger preproc_function_def macro_definition
""")

_DEFINITIONS: Final = CONTAINERS | FUNCTIONS

WRAPPERS: Final = _types("""
    decorated_definition export_statement template_declaration statement expression_statement type_declaration
    lexical_declaration variable_declaration ambient_declaration linkage_specification declaration type_definition
""")
"""Node types that stand around a definition and say nothing themselves."""

NAMED: Final = _DEFINITIONS | WRAPPERS
"""Node types for which `definition_in` may find something."""

LEADING: Final = _types("""
    comment line_comment block_comment multiline_comment marginalia decorator attribute_item inner_attribute_item
    attribute_list annotation
""")
"""Node types that belong to the definition after them."""

BODIES: Final = _types("""
    block body_statement class_body enum_body enum_class_body interface_body annotation_type_body constructor_body
    function_body declaration_list field_declaration_list statement_block statement_list compound_statement
    enum_member_declaration_list enum_variant_list
""")
"""Node types that hold what is inside a definition."""

_RECEIVER: Final = re.compile(r"(\w+)(?:\s*\[[^\]]*\])?\s*,?\s*\)$")


def known(language: str) -> str:
    """Our name for a language, by any of the names it goes by; "" if there is no grammar for it."""
    name = language.lower()
    name = _ALIASES.get(name, name)
    return name if name in _GRAMMARS else ""


@lru_cache(maxsize=32)
def grammar(name: str) -> Language:
    """The grammar of a known language."""
    from tree_sitter import Language

    module, function = _GRAMMARS[name]
    return Language(getattr(importlib.import_module(module), function)())


def definition_in(node: Node) -> Node | None:
    """The definition that a node is or is wrapped around."""
    for _ in range(4):
        kind = node.type
        if kind in _DEFINITIONS:
            return node
        if kind not in WRAPPERS:
            return None
        inside = [n for n in node.named_children if n.type in _DEFINITIONS or n.type in WRAPPERS]
        if not inside:
            return None
        node = inside[-1]
    return None


def name_of(definition: Node, text: str) -> str:
    """What a definition is called in `text`, in which a character is as far as a byte of the tree; "" if unnamed."""
    field = "type" if definition.type == "impl_item" else "name"
    found = definition.child_by_field_name(field) or _declared(definition) or _identifier(definition)
    if found is None:
        return ""
    name = " ".join(text[found.start_byte : found.end_byte].split())[:80]
    receiver = definition.child_by_field_name("receiver")
    owner = _RECEIVER.search(text[receiver.start_byte : receiver.end_byte]) if receiver is not None else None
    return f"{owner[1]}.{name}" if owner else name


def _declared(node: Node) -> Node | None:
    """The identifier inside the declarators of C and C++."""
    found, inner = None, node.child_by_field_name("declarator")
    while inner is not None:
        found, inner = inner, inner.child_by_field_name("declarator")
    return found


def _identifier(node: Node) -> Node | None:
    return next((n for n in node.named_children if n.type in ("object_reference", "identifier")), None)
