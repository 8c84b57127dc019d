"""A text as verification compares it: words with their places, names, values, quotations and what it denies.

"Ana cannot approve 500 EUR." ──▶ words ana approv · names ana · values 500 eur · denials (approv,)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from knowhub.answering.lexical import Terms
from knowhub.answering.values import Value, values
from knowhub.answering.vocabulary import DENIALS, GLUE, INITIAL, SOFT_DENIALS, STOP_WORDS

_WORD = re.compile(r"[぀-ヿ㐀-鿿가-힯豈-﫿]+|[^\W_](?:[\w'’.:/@#&+-]*[\w+#])?|[^\W_]")
_CJK = re.compile(r"[぀-ヿ㐀-鿿가-힯豈-﫿]")
_HIRAGANA = re.compile(r"[ぁ-ゟ]")
_DENIES = re.compile(
    rf"\b(?P<soft>{'|'.join(sorted(SOFT_DENIALS, key=len, reverse=True))})\b"
    rf"|\b(?:{'|'.join(sorted(DENIALS, key=len, reverse=True))})\b|n[’']t\b"
    r"|(?:ない|なかった|ません|ず(?=[、。]|に)|禁止|不可|廃止)",
    re.IGNORECASE,
)
_NOT_DENIAL = re.compile(
    r"\bno (?:\d|\.)|\b(?:not only|no doubt|not just|no matter|whether or not|not to mention|or not|if not)\b"
    r"|\bNo[,.]",
    re.IGNORECASE,
)
_CLAUSE = re.compile(
    r"[;:()!?。、，]|[,.](?=\s|$)|\b(?:but|however|although|though|while|whereas|because|unless|pero|aunque)\b", re.I
)
_QUOTED = re.compile(
    r"[“«„]([^“”«»„\n]{2,300})[”»“]|\"([^\"\n]{2,300})\"|「([^「」\n]{2,300})」|``([^`'\n]{2,300})''|`([^`\n]{2,200})`"
)
_IDENTIFIER = re.compile(r"(?=.*\d)(?=.*[A-Za-z])|[_/@#\\]|\w\.\w+\.\w|^[a-z]+[A-Z]\w")
_NUMBERLIKE = re.compile(
    r"[\d.,:/-]+(?:st|nd|rd|th|s|'s|’s|k|m|b|bn|mn|x|am|pm|a\.m|p\.m|h|kg|km|cm|mm|gb|mb|tb|%)?", re.IGNORECASE
)
_SPELLED_NUMBER = re.compile(r"\d")
_ENUMERATOR = re.compile(r"(?<![^\s(])(\d{1,2})\)(?=\s)")
DENIAL_REACH = 4
"""Content words after a denial that it is about."""


@dataclass(frozen=True, slots=True)
class Word:
    """`text[start:end]`; `terms` are empty for a word that says nothing by itself. `at` counts words."""

    text: str
    start: int
    end: int
    at: int
    terms: tuple[str, ...]
    is_name: bool = False
    is_identifier: bool = False
    is_initial: bool = False


@dataclass(frozen=True, slots=True)
class Denial:
    """`before` and `after`: the terms of the nearest content words of its clause, nearest first.

    `scope`: numbers of the words that are denied. `soft`: the word itself if it is one that denies by its meaning.
    """

    start: int
    soft: str
    before: tuple[frozenset[str], ...]
    after: tuple[frozenset[str], ...]
    scope: frozenset[int]

    @property
    def focus(self) -> tuple[frozenset[str], ...]:
        """What is denied: the words after it, or where there are none those before."""
        return self.after[:3] or self.before[:2]


@dataclass(frozen=True)
class Reading:
    """One sentence, or one stretch of a passage."""

    text: str
    words: tuple[Word, ...]

    @cached_property
    def terms(self) -> frozenset[str]:
        return frozenset(term for word in self.words for term in word.terms)

    @cached_property
    def values(self) -> tuple[Value, ...]:
        taken = [(word.start, word.end) for word in self.words if word.is_identifier]
        taken += _enumerators(self.text)
        return tuple(v for v in values(self.text) if not any(a <= v.start < b for a, b in taken))

    @cached_property
    def names(self) -> tuple[Word, ...]:
        return tuple(word for word in self.words if word.is_name)

    @cached_property
    def identifiers(self) -> tuple[Word, ...]:
        return tuple(word for word in self.words if word.is_identifier)

    @cached_property
    def quotations(self) -> tuple[str, ...]:
        """Words between quotation marks or backticks, as they stand."""
        return tuple(next(filter(None, match.groups())) for match in _QUOTED.finditer(self.text))

    @cached_property
    def denials(self) -> tuple[Denial, ...]:
        return tuple(self._denials())

    @cached_property
    def places(self) -> dict[str, tuple[int, ...]]:
        """Each term to the numbers of the words that hold it."""
        found: dict[str, list[int]] = {}
        for word in self.words:
            for term in word.terms:
                found.setdefault(term, []).append(word.at)
        return {term: tuple(at) for term, at in found.items()}

    def word_at(self, offset: int) -> int:
        """The number of the word at or after an offset."""
        return next((word.at for word in self.words if word.end > offset), len(self.words))

    def _denials(self) -> Iterator[Denial]:
        spared = [match.span() for match in _NOT_DENIAL.finditer(self.text)]
        clauses = [match.start() for match in _CLAUSE.finditer(self.text)]
        for match in _DENIES.finditer(self.text):
            if any(start <= match.start() < end for start, end in spared):
                continue
            left = max((at for at in clauses if at < match.start()), default=0)
            right = min((at for at in clauses if at >= match.end()), default=len(self.text))
            before = [w for w in self.words if left <= w.start and w.end <= match.start() and w.terms]
            after = [w for w in self.words if match.end() <= w.start and w.end <= right and w.terms]
            yield Denial(
                match.start(),
                (match["soft"] or "").casefold(),
                tuple(frozenset(word.terms) for word in before[::-1][:DENIAL_REACH]),
                tuple(frozenset(word.terms) for word in after[:DENIAL_REACH]),
                frozenset(word.at for word in (*after[:DENIAL_REACH], *before[-1:])),
            )


def read(text: str, terms: Terms) -> Reading:
    """`terms` is how the index reads words; words that any sentence may hold have none here."""
    found: list[Word] = []
    matches = list(_WORD.finditer(text))
    lower = any(match.group()[:1].islower() for match in matches)
    for at, match in enumerate(matches):
        word = match.group()
        identifier = _is_identifier(word)
        initial = at == 0 or _begins(text, match.start())
        name = not identifier and lower and _is_name(text, match, initial)
        first = initial and not name and not identifier and _may_be_name(text, match)
        content = _content(word, terms, name)
        found.append(Word(word, match.start(), match.end(), at, content, name, identifier, first))
    return Reading(text, tuple(found))


def _content(word: str, terms: Terms, name: bool) -> tuple[str, ...]:
    folded = word.casefold()
    if folded in STOP_WORDS or folded in GLUE:
        return (folded,) if name and word.isupper() else ()
    return _terms(word, terms)


def _terms(word: str, terms: Terms) -> tuple[str, ...]:
    bare = word[:-2] if word.endswith(("'s", "’s")) else word
    return tuple(dict.fromkeys(term for term in terms(bare) if not _HIRAGANA.search(term)))


def _enumerators(text: str) -> list[tuple[int, int]]:
    """`1) … 2) …` within a sentence: numbers that only count up, by one, from one or not alone."""
    found = list(_ENUMERATOR.finditer(text))
    numbers = [int(match[1]) for match in found]
    counts_up = numbers == list(range(numbers[0], numbers[0] + len(numbers))) if numbers else False
    return [match.span() for match in found] if counts_up and (numbers[0] == 1 and len(numbers) > 1) else []


def _begins(text: str, start: int) -> bool:
    """Whether a capital here is grammar: after a full stop, a colon, a quotation mark or a list's dash."""
    before = text[:start].rstrip(" \t\"“«'‘(*_[")
    return not before or before[-1] in ".!?:\n-•|;…"


def _is_name(text: str, match: re.Match[str], initial: bool) -> bool:
    word = match.group()
    if _CJK.match(word) or not word[:1].isupper():
        return False
    if len(word) > 1 and word.isupper():
        return True
    if word.casefold() in STOP_WORDS:
        return False
    if initial:
        return word.casefold() not in INITIAL and bool(re.match(r"\s+[A-Z]", text[match.end() :]))
    return word.casefold() not in INITIAL


_AUXILIARIES = (
    r"(?:is|are|was|were|has|have|had|will|can|could|would|must|may|might|should|did|does|[a-z]+ed|wrote|said)\b"
)
_OWNS = r"\s+['’]s\b"
_DOES = re.compile(rf"{_OWNS}|\s+(?:also\s+)?{_AUXILIARIES}")
_MAY_ACT = re.compile(rf"{_OWNS}|\s+(?:also\s+|[a-z]+ly\s+)?(?:{_AUXILIARIES}|[a-z]+[^\W_s]s\b)")
"""What ends in an s may be a plural: then the first word is a name or describes it, and must stand somewhere too."""
_COMMON_ENDING = re.compile(r"(?:ly|ing|s|ed|tion|ness|ment|ity)$")
_ADJECTIVE_ENDING = re.compile(r"(?:al|ic|ive|ous|ful|less|able|ible|ary|ory|ent|ant|er|est|ern|ar|y|age)$")


def _may_be_name(text: str, match: re.Match[str]) -> bool:
    """A capitalised first word that owns something or does something, as people and products do."""
    word = match.group()
    stem = re.split("['’]", word)[0]
    if not word[:1].isupper() or not word.isascii() or stem.casefold() in INITIAL:
        return False
    if stem != word:
        return word.endswith(("'s", "’s"))
    if _COMMON_ENDING.search(word):
        return False
    return (_DOES if _ADJECTIVE_ENDING.search(word) else _MAY_ACT).match(text, match.end()) is not None


def _is_identifier(word: str) -> bool:
    if _CJK.match(word) or _NUMBERLIKE.fullmatch(word) or re.fullmatch(r"[\W\d]*", word):
        return False
    if re.fullmatch(
        r"\d+(?:[-–]\w+)+|\w+(?:-\w+)*-\d+(?:st|nd|rd|th)?s?|[A-Za-z]+/[A-Za-z]+|\d+[.,\d]*[A-Za-z]{1,3}", word
    ):
        return bool(re.fullmatch(r"[A-Z][A-Z0-9_]+-\d+", word))
    return bool(_IDENTIFIER.search(word))
