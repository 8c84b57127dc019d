"""Source code and data languages: the text as it is, with its language by file name."""

from __future__ import annotations

import re

from knowhub.formats.parsed import Parsed

LANGUAGES = {
    "py": "python", "pyi": "python", "pyw": "python",
    "js": "javascript", "mjs": "javascript", "cjs": "javascript", "jsx": "javascript",
    "ts": "typescript", "mts": "typescript", "cts": "typescript", "tsx": "tsx",
    "java": "java", "go": "go", "rs": "rust", "c": "c", "h": "c",
    "cpp": "cpp", "cc": "cpp", "cxx": "cpp", "hpp": "cpp", "hh": "cpp", "hxx": "cpp", "ino": "cpp",
    "rb": "ruby", "rake": "ruby", "gemspec": "ruby", "php": "php", "cs": "csharp", "kt": "kotlin", "kts": "kotlin",
    "sql": "sql", "sh": "shell", "bash": "shell", "zsh": "shell", "ksh": "shell",
    "swift": "swift", "scala": "scala", "lua": "lua", "pl": "perl", "pm": "perl", "r": "r", "jl": "julia",
    "dart": "dart", "ex": "elixir", "exs": "elixir", "erl": "erlang", "hs": "haskell", "clj": "clojure",
    "groovy": "groovy", "gradle": "groovy", "ps1": "powershell", "bat": "batch", "cmd": "batch", "vb": "vb",
    "f90": "fortran", "m": "objc", "mm": "objc", "vue": "vue", "svelte": "svelte", "zig": "zig", "nim": "nim",
    "tf": "hcl", "hcl": "hcl", "proto": "proto", "graphql": "graphql", "gql": "graphql", "cmake": "cmake",
    "css": "css", "scss": "scss", "sass": "sass", "less": "less",
    "json": "json", "jsonc": "json", "json5": "json", "jsonl": "json", "ndjson": "json", "geojson": "json",
    "yaml": "yaml", "yml": "yaml", "toml": "toml", "xml": "xml", "xsd": "xml", "xsl": "xml", "xslt": "xml",
    "ini": "ini", "cfg": "ini", "conf": "ini", "properties": "properties", "mk": "make", "nix": "nix",
}  # fmt: skip
"""Extension to language, in the names that chunking knows."""

_WHOLE_NAMES = {
    "dockerfile": "dockerfile", "containerfile": "dockerfile", "makefile": "make", "gnumakefile": "make",
    "cmakelists.txt": "cmake", "rakefile": "ruby", "gemfile": "ruby", "vagrantfile": "ruby", "jenkinsfile": "groovy",
    "build": "python", "build.bazel": "python", "workspace": "python",
}  # fmt: skip
_SHEBANG = re.compile(r"#![^\n]*?\b(python|bash|sh|zsh|node|ruby|perl|php)[\d.]*\b")
_SHEBANGS = {"sh": "shell", "bash": "shell", "zsh": "shell", "node": "javascript"}


def language_of(name: str) -> str:
    """The language that a file's name tells, or ""."""
    base = name.rpartition("/")[2].lower()
    return _WHOLE_NAMES.get(base) or LANGUAGES.get(base.rpartition(".")[2] if "." in base else "", "")


def language_of_shebang(text: str) -> str:
    match = _SHEBANG.match(text)
    return _SHEBANGS.get(match.group(1), match.group(1)) if match else ""


def parse_code(text: str, language: str) -> Parsed:
    return Parsed("code", text, language=language)
