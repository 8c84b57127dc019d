"""Text to the words it is found by: `terms` reads documents and queries alike.

    "Fix PROJ-777 in parseFile()" ──▶ fix proj-777 proj 777 parsefile pars file

A term holds no white space. Words are folded (NFKC, lower case, no accents), English stop words and the Spanish
ones that mean nothing in English are left out, the rest is stemmed. Text that is not plainly English gives its
Spanish stems too, marked so that they meet only one another. Identifiers stay whole and give their parts
besides. Chinese, Japanese and Korean, which is written without spaces, give every two characters in a row.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import cache

from knowhub.index.stopwords import ENGLISH, ONLY_ENGLISH, SPANISH, STOPPED

LONGEST_TERM = 80
"""A longer exact token is a blob or a tracking link that nobody types; its parts stay."""
_SPANISH_MARK = "ñ"
_CACHED_WORDS = 200_000

_CJK = (
    "\u3005-\u3007\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003ffff"
)
_ASCII_TOKEN = re.compile(r"[A-Za-z0-9]+(?:[-_./@]+[A-Za-z0-9]+)*(?:\+\+|#(?![A-Za-z0-9]))?")
_LETTER = rf"[^\W_{_CJK}]"
_TOKEN = re.compile(rf"[{_CJK}]+|{_LETTER}+(?:[-_./@]+{_LETTER}+)*(?:\+\+|#(?!\w))?")
_CJK_START = re.compile(f"[{_CJK}]")
_MARKS = re.compile("[\u0300-\u036f]")
_JOINER = re.compile(r"[-_./@]+")
_HUMPS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_CAMEL = re.compile(r"[a-z][A-Z]")


def terms(text: str) -> list[str]:
    """The terms of a document or a query, in order, with repeats; [] where there is nothing to find."""
    found, english, spanish = [], 0, 0
    for word in _tokens(text):
        entry = _CACHE.get(word) or _remember(word)
        found.append(entry)
        english += entry.english
        spanish += entry.spanish
    if english > spanish:
        return [term for entry in found for term in entry.terms]
    return [term for entry in found for term in entry.bilingual]


def identifiers(text: str) -> list[str]:
    """The exact tokens of `text` that name one thing (`proj-777`, `parse_file`, `err_conn_42`), lower case."""
    return [entry.exact for word in _tokens(text) if (entry := _CACHE.get(word) or _remember(word)).exact]


class _Word:
    """What one written token is found by, computed once; Spanish only if ever asked for."""

    __slots__ = ("_bilingual", "_parts", "english", "exact", "spanish", "terms")

    def __init__(self, terms: tuple[str, ...], *, parts: tuple[str, ...] = (), exact: str = "", said: str = "") -> None:
        self.terms = terms
        self.exact = exact
        self.english = said in ONLY_ENGLISH
        self.spanish = said in SPANISH
        self._parts = parts
        self._bilingual: tuple[str, ...] | None = None

    @property
    def bilingual(self) -> tuple[str, ...]:
        if self._bilingual is None:
            self._bilingual = self.terms + tuple(stem for part in self._parts for stem in _spanish(part.lower()))
        return self._bilingual


_CACHE: dict[str, _Word] = {}


def _tokens(text: str) -> list[str]:
    if text.isascii():
        return _ASCII_TOKEN.findall(text)
    return _TOKEN.findall(unicodedata.normalize("NFKC", text))


def _remember(token: str) -> _Word:
    if len(_CACHE) >= _CACHED_WORDS:
        _CACHE.clear()
    _CACHE[token] = word = _read(token)
    return word


def _read(token: str) -> _Word:
    if _CJK_START.match(token):
        return _Word(tuple(token[i : i + 2] for i in range(len(token) - 1)) or (token,))
    folded = _fold(token)
    if token.isalpha() and not _CAMEL.search(token):
        return _Word(_english(folded), parts=(token,), said=folded)
    parts = tuple(part for piece in _JOINER.split(token) for part in _parts(piece))
    stems = tuple(stem for part in parts for stem in _english(_fold(part)))
    names = [name for name in _names(token) if len(name) <= LONGEST_TERM]
    whole = tuple(name for name in names if name not in stems)
    return _Word(whole + stems, parts=parts, exact=folded if folded in names else "")


def _names(token: str) -> list[str]:
    """The token, and each step of it if it is a path, as far as they name something."""
    steps = token.split("/")
    return list(
        dict.fromkeys(_fold(name) for name in ([token, *steps] if len(steps) > 1 else steps) if _names_one(name))
    )


def _names_one(token: str) -> bool:
    """Whether people would look for this very token: `well-known` and `and/or` are words, `PROJ-7` is a name."""
    return (
        any(character.isdigit() or character in "_.@+#" for character in token)
        or token.count("/") > 1
        or bool(_CAMEL.search(token))
    )


def _parts(piece: str) -> list[str]:
    """`parseHTMLFile` gives parse, HTML and File; `v1` and `E1234` stay whole."""
    if _CAMEL.search(piece) and piece.isascii():
        return _HUMPS.findall(piece)
    return [piece.rstrip("+#")] if piece else []


def _fold(word: str) -> str:
    """Lower case without accents; letters of other scripts keep theirs."""
    word = word.lower()
    if word.isascii():
        return word
    return "".join(_MARKS.sub("", unicodedata.normalize("NFKD", c)) if c < "\u0250" else c for c in word)


def _english(folded: str) -> tuple[str, ...]:
    return () if folded in STOPPED else (_stemmer("english")(folded),)


def _spanish(word: str) -> tuple[str, ...]:
    """The Spanish stem behind a mark that no folded word carries."""
    folded = _fold(word)
    if folded in SPANISH or word in ENGLISH or not (folded.isascii() and folded.isalpha()):
        return ()
    return (_SPANISH_MARK + _fold(_stemmer("spanish")(word)),)


@cache
def _stemmer(language: str) -> Callable[[str], str]:
    import Stemmer

    stem: Callable[[str], str] = Stemmer.Stemmer(language).stemWord
    return stem
