"""What a question demands of its answer: words, names and numbers that the evidence has to speak of."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from knowhub.answering.lexical import Terms
from knowhub.answering.vocabulary import SMALL_NUMBERS, SMALL_TALK, STOP_WORDS, WEEKDAYS

Expects = Literal["number", "date", "person", "reason", "text"]

_WORD = re.compile(r"[^\W_](?:[\w'’.:/@#-]|(?<=\d),(?=\d))*[^\W_]|[^\W_]", re.UNICODE)
_CJK = re.compile(r"[぀-ヿ㐀-鿿가-힯豈-﫿]")
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)?%?")
_YEAR = re.compile(r"(?:19|20)\d\d(?:s|['’]s)?|\d+(?:st|nd|rd|th)")
_HIRAGANA = re.compile(r"[ぁ-ゟ]")
_ASIDE = re.compile(r"(?<=\S)\s\([^()]*\)\s*$")
_HAS_DIGIT = re.compile(r"\d")
_IDENTIFIER = re.compile(r"\w+[_/@]\w|[a-z]\w*[A-Z]|[A-Za-z]+-\d|\w\.\w")
_EXPECTS: tuple[tuple[Expects, re.Pattern[str]], ...] = (
    (
        "number",
        re.compile(
            r"\bhow (?:many|much|long|old|often|far|high|large|big)\b|\bcu[aá]nt[oa]s?\b|\bwhat (?:percentage|share)\b"
            r"|いくら|いくつ|何[人日件個回円割]|\b(?:limit|price|cost|rate|budget|amount|number) (?:of|for|is)\b",
            re.IGNORECASE,
        ),
    ),
    (
        "date",
        re.compile(
            r"\bwhen\b|\b(?:what|which) (?:day|date|year|month|time)\b|\bcu[aá]ndo\b|\bdeadline\b|いつ|何[時年月曜]",
            re.IGNORECASE,
        ),
    ),
    ("person", re.compile(r"\bwho(?:m|se)?\b|\bqui[eé]n(?:es)?\b|誰|だれ", re.IGNORECASE)),
    ("reason", re.compile(r"\bwhy\b|\b(?:cause|reason)\b|\bpor qu[eé]\b|なぜ|どうして|原因|理由", re.IGNORECASE)),
)
_STATED: dict[Expects, re.Pattern[str]] = {
    "number": re.compile(rf"\d|\b(?:{'|'.join(SMALL_NUMBERS)})\b", re.IGNORECASE),
    "date": re.compile(rf"\d|day\b|\b(?:{'|'.join(WEEKDAYS)})\b|曜", re.IGNORECASE),
    "person": re.compile(r"\b[A-Z][a-z]+|@\w|さん"),
    "reason": re.compile(
        r"\b(?:because|cause[ds]?|due to|reason|since|so that|so it|porque|debido|por eso)\b|原因|理由|ため|ので|から",
        re.IGNORECASE,
    ),
}


@dataclass(frozen=True, slots=True)
class Question:
    """`terms` are its content words as search sees them; `names`, `identifiers`, `numbers` as written, folded.

    `demanded` are the terms that evidence has to hold: not those of a closing aside, `and for interns? (hotel, limit)`,
    with which a conversation completes a question. An aside's names are not demanded either; its numbers are.
    """

    text: str
    terms: tuple[str, ...]
    demanded: frozenset[str]
    names: tuple[str, ...]
    identifiers: tuple[str, ...]
    numbers: tuple[str, ...]
    expects: Expects
    cjk: bool


def understand(text: str, terms: Terms) -> Question:
    words = [match.group() for match in _WORD.finditer(text)]
    kept = [word for word in words if word.casefold() not in STOP_WORDS]
    cjk = len(_CJK.findall(text)) * 2 >= sum(map(str.isalpha, text)) > 0
    numbers = tuple(folded(word) for word in kept if _NUMBER.fullmatch(word) and not _YEAR.fullmatch(word))
    identifiers = tuple(word.casefold() for word in kept if _is_identifier(word))
    content = content_terms(text, terms)
    alone = _ASIDE.sub("", text)
    names = _names([match.group() for match in _WORD.finditer(alone)])
    return Question(
        text=text,
        terms=content,
        demanded=frozenset(content_terms(alone, terms)) & frozenset(content) or frozenset(content),
        names=tuple(name for name in map(str.casefold, names) if name not in identifiers),
        identifiers=identifiers,
        numbers=numbers,
        expects=next((kind for kind, pattern in _EXPECTS if pattern.search(alone)), "text"),
        cjk=cjk,
    )


def content_terms(text: str, terms: Terms) -> tuple[str, ...]:
    """Terms without the words that every question has, each once, in order; of Japanese those without hiragana."""
    stops = {term for word in STOP_WORDS & set(text.casefold().split()) for term in terms(word)} | STOP_WORDS
    kept = dict.fromkeys(term for term in terms(text) if term not in stops)
    return tuple(term for term in kept if not _HIRAGANA.search(term)) or tuple(kept)


def is_small_talk(text: str) -> bool:
    """`ok, thanks`, `hi, can you help me?`: words that ask for nothing, at least one of them a greeting or the like."""
    words = {match.group().casefold() for match in _WORD.finditer(text)}
    return not words.isdisjoint(SMALL_TALK) and words <= SMALL_TALK | STOP_WORDS


def names_in(text: str) -> frozenset[str]:
    """Capitalised words inside a statement, folded: places, people, products."""
    return frozenset(word.casefold() for word in _names([match.group() for match in _WORD.finditer(text)]))


def states(text: str, expected: Expects) -> bool:
    """Whether a sentence holds the kind of thing that the question asks for."""
    pattern = _STATED.get(expected)
    return pattern is not None and pattern.search(text) is not None


def missing(wanted: Collection[str], evidence: str) -> list[str]:
    """Which of the folded words the folded evidence never speaks of, inflections and number words forgiven."""
    return [word for word in wanted if not _spoken_of(word, evidence)]


def folded(text: str) -> str:
    """Case-folded, with `1,200` and `1 200` as `1200`."""
    return re.sub(r"(?<=\d)[,\u00a0\u202f ](?=\d{3}\b)", "", text).casefold()


def _is_identifier(word: str) -> bool:
    """`PROJ-7`, `E417`, `parse_file`, `4.2.0`: something that has this very name."""
    if _NUMBER.fullmatch(word) or _YEAR.fullmatch(word) or _CJK.search(word):
        return False
    return bool(_HAS_DIGIT.search(word) or _IDENTIFIER.search(word))


def _names(words: list[str]) -> list[str]:
    """Words that are capitalised where grammar does not ask for it, and acronyms anywhere."""
    found = [
        word for at, word in enumerate(words) if word[:1].isupper() and (at > 0 or (len(word) > 1 and word.isupper()))
    ]
    lower = sum(word[:1].islower() for word in words)
    return [word for word in found if word.casefold() not in STOP_WORDS] if lower else []


def _spoken_of(word: str, evidence: str) -> bool:
    word = folded(word)
    if word.isdigit():
        spelled = [name for name, value in SMALL_NUMBERS.items() if str(value) == word]
        return any(re.search(rf"(?<!\d){re.escape(form)}(?!\d)", evidence) for form in (word, *spelled))
    if _HAS_DIGIT.search(word):
        return word in evidence
    stem = word.removesuffix("'s").removesuffix("’s")
    return (stem[: max(4, len(stem) - 2)] if len(stem) > 4 else stem) in evidence
