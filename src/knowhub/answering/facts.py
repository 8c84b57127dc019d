"""What two statements can contradict one another in: amounts, quantities, dates, times of day, and whether at all.

    "up to 140 EUR a night from 1 June" ──▶ {money:eur: {140}, date: {06-01}}

A value is only ever compared with a value of its own kind and unit.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial

from knowhub.answering.vocabulary import (
    CURRENCIES,
    MONTHS,
    NOT_UNITS,
    SCALES,
    SMALL_NUMBERS,
    UNIT_QUALIFIERS,
    UNITS,
    WEEKDAYS,
    WIDE_UNITS,
)

Reading = tuple[str, str]
Reader = Callable[[re.Match[str]], Reading | None]
Facts = Mapping[str, frozenset[str]]
"""Kind and unit (`money:eur`, `count:day`, `weekday`) to the values stated, in one spelling each."""


def _any_of(names: Iterable[str]) -> str:
    """A pattern of alternatives, longer ones first."""
    return "|".join(sorted(map(re.escape, names), key=len, reverse=True))


_NUMBER = r"\d{1,3}(?:[,\u00a0\u202f ]\d{3})+(?:\.\d+)?|\d+(?:[.,]\d+)*"
_SCALE = "k|thousand|mil(?:lones)?|m(?:illion)?|万|億"
_CURRENCY = _any_of(CURRENCIES)
_MONTH = _any_of(MONTHS)
_SPELLED = SMALL_NUMBERS | {"fifteen": 15, "quince": 15, "twenty": 20, "veinte": 20, "thirty": 30, "treinta": 30}
_MONEY = re.compile(
    rf"(?P<before>{_CURRENCY})\s?(?P<number>{_NUMBER})\s?(?P<scale>{_SCALE})?(?![\w.]*\w)"
    rf"|(?P<number2>{_NUMBER})\s?(?P<scale2>{_SCALE})?\s?(?P<after>{_CURRENCY})(?![a-z])",
    re.IGNORECASE,
)
_PERCENT = re.compile(rf"(?P<number>{_NUMBER})\s?(?:%|％|percent|per cent|por ciento|パーセント)", re.IGNORECASE)
_DATES = (
    re.compile(r"\b\d{4}[-/](?P<m>\d{1,2})[-/](?P<d>\d{1,2})\b"),
    re.compile(r"(?P<m>\d{1,2})月(?P<d>\d{1,2})日"),
    re.compile(rf"\b(?P<d>\d{{1,2}})(?:st|nd|rd|th)?(?: of| de)? (?P<m>{_MONTH})\b", re.IGNORECASE),
    re.compile(rf"\b(?P<m>{_MONTH})\b\.? (?P<d>\d{{1,2}})(?:st|nd|rd|th)?\b", re.IGNORECASE),
)
_CLOCK = re.compile(
    r"\b(?P<h>\d{1,2})[:h](?P<m>\d{2})\b\s?(?P<half>[ap]\.?m\b)?|\b(?P<h2>\d{1,2})\s?(?P<half2>[ap]\.?m\b)",
    re.IGNORECASE,
)
_WEEKDAY = re.compile(
    rf"\b(?:{_any_of(day for day in WEEKDAYS if '曜' not in day)})\b|[月火水木金土日]曜", re.IGNORECASE
)
_COUNT = re.compile(
    rf"(?<![\w.])(?P<number>{_NUMBER}|\b(?:{_any_of(_SPELLED)}))"
    rf"(?:\s?(?P<wide>{WIDE_UNITS})|(?:[\s\u00a0-]|(?=[a-z]))(?P<unit>[a-zà-ÿ]+))",
    re.IGNORECASE,
)
_DECIMAL = re.compile(r"\bv?(?P<number>\d+(?:\.\d+){1,3})\b")
_NEGATED = re.compile(
    r"\b(?:not|no longer|never|cannot|nobody|none|without|forbidden|prohibited|disallowed)\b"
    r"|\b(?:ya no|nunca|prohibid[oa]s?|sin)\b|n[’']t\b|\bno (?!\d)\w|ない|ません|禁止|不可|廃止",
    re.IGNORECASE,
)


def facts(text: str) -> Facts:
    """Every value that the text states; a stretch is read as one kind only, the most specific first."""
    found: dict[str, set[str]] = {}
    for pattern, read in _READERS:
        text = pattern.sub(partial(_take, found, read), text)
    return {key: frozenset(values) for key, values in found.items()}


def _take(found: dict[str, set[str]], read: Reader, match: re.Match[str]) -> str:
    reading = read(match)
    if reading is None:
        return match.group()
    found.setdefault(reading[0], set()).add(reading[1])
    return " ; "


def negated(text: str) -> bool:
    return _NEGATED.search(text) is not None


def _value(number: str, scale: str | None = None) -> str:
    plain = re.sub(r"[\s\u00a0\u202f]", "", number)
    plain = re.sub(r",(?=\d{3}(?!\d))", "", plain)
    plain = re.sub(r"\.(?=\d{3}(?!\d))", "", plain) if re.fullmatch(r"[1-9]\d{0,2}(?:\.\d{3})+", plain) else plain
    plain = plain.replace(",", ".")
    try:
        return f"{float(plain) * SCALES.get((scale or '').casefold(), 1):g}"
    except ValueError:
        return plain


def _money(match: re.Match[str]) -> Reading | None:
    sign = (match["before"] or match["after"]).casefold()
    number = match["number"] or match["number2"]
    return (f"money:{CURRENCIES[sign]}", _value(number, match["scale"] or match["scale2"]))


def _percent(match: re.Match[str]) -> Reading | None:
    return ("percent", _value(match["number"]))


def _date(match: re.Match[str]) -> Reading | None:
    month = match["m"].casefold()
    number = int(month) if month.isdigit() else MONTHS[month]
    return ("date", f"{number:02}-{int(match['d']):02}")


def _clock(match: re.Match[str]) -> Reading | None:
    hour = int(match["h"] or match["h2"])
    half = (match["half"] or match["half2"] or "").casefold()
    hour = hour % 12 + (12 if half.startswith("p") else 0) if half else hour
    return ("clock", f"{hour:02}:{match['m'] or '00'}")


def _weekday(match: re.Match[str]) -> Reading | None:
    name = match.group().casefold()
    return ("weekday", str(WEEKDAYS[name]))


def _decimal(match: re.Match[str]) -> Reading | None:
    return ("decimal", match["number"])


def _count(match: re.Match[str]) -> Reading | None:
    unit = (match["wide"] or match["unit"]).casefold()
    if unit in NOT_UNITS:
        return None
    if unit in UNIT_QUALIFIERS:
        tail = re.match(r"[\s-]+([^\W\d_]+)", match.string[match.end() :])
        unit = tail[1].casefold() if tail else unit
    number = match["number"].casefold()
    value = f"{_SPELLED[number]:g}" if number in _SPELLED else _value(number)
    return (f"count:{_singular(unit)}", value)


def _singular(unit: str) -> str:
    if unit in UNITS:
        return UNITS[unit]
    return unit[:-1] if len(unit) > 3 and unit.endswith("s") and not unit.endswith("ss") else unit


_READERS: tuple[tuple[re.Pattern[str], Reader], ...] = (
    (_MONEY, _money),
    (_PERCENT, _percent),
    *((pattern, _date) for pattern in _DATES),
    (_CLOCK, _clock),
    (_WEEKDAY, _weekday),
    (_COUNT, _count),
    (_DECIMAL, _decimal),
)
