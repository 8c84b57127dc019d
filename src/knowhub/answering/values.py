"""Every number, date, time and ordinal that a text states, with its place: what a generated sentence must not invent.

    "raised to $1.5 million on June 26th" ──▶ number 1500000 (usd), date 06-26

Unlike `facts`, which compares like with like, nothing that looks like a number is left out here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from knowhub.answering.vocabulary import CURRENCIES, MONTHS, ORDINALS, SCALES, TENS, UNITS, UNITS_PLAIN, WEEKDAYS

ValueKind = Literal["number", "date", "month", "weekday", "clock"]


@dataclass(frozen=True, slots=True)
class Value:
    """`text[start:end]` states it. `amount` is its one spelling (`1500`, `06-26`); `unit` "" where none is known."""

    kind: ValueKind
    amount: str
    unit: str
    start: int
    end: int

    @property
    def key(self) -> tuple[str, str]:
        return (self.kind, self.amount)

    def same_as(self, other: Value) -> bool:
        """Equal, as far as both name a unit; a decade (`1990s`) is any of its years."""
        if self.unit == "decade" and self.kind == other.kind == "number" and len(self.amount) == 4:
            return other.amount[:3] == self.amount[:3] and len(other.amount) == 4 and other.unit in ("", "decade")
        return self.key == other.key and (not self.unit or not other.unit or self.unit == other.unit)


def _any_of(names: Iterable[str]) -> str:
    return "|".join(sorted(map(re.escape, names), key=len, reverse=True))


_MONTH_NAMES = _any_of(name for name in MONTHS if not name.startswith("_"))
_DAY_NAMES = _any_of(day for day in WEEKDAYS if "曜" not in day)
_SMALL = TENS.keys() - {"one", "once", "uno", "una"}
_SPELLED = rf"(?:(?:{_any_of(TENS)})[-\s]?)*(?:hundred|thousand|million|billion|trillion|(?:{_any_of(_SMALL)}))"
_NUMBER = r"\d{1,3}(?:[,\u00a0\u202f’']\d{3})+(?:\.\d+)?(?!\d)|\d+(?:[.,]\d+)*"
_SCALE = r"hundred|thousand|mil|million(?:es|s)?|billion(?:es|s)?|trillion|mn|bn|k|m|b|万|億|兆"
_CURRENCY = _any_of(CURRENCIES)
_UNIT = (
    r"%|％|°\s?[CF]|percent\b|per cent\b|por ciento|パーセント"
    r"|日間|時間|週間|か月|ヶ月|年間|[日月年人名分秒個件回台歳円]"
)

_SCAN = re.compile(
    rf"""
      (?P<iso>(?<![\w.])(?P<y1>\d{{4}})[-/](?P<m1>\d{{1,2}})[-/](?P<d1>\d{{1,2}})(?!\d))
    | (?P<wide>(?:(?P<y2>\d{{2,4}})年)?(?P<m2>\d{{1,2}})月(?P<d2>\d{{1,2}})日)
    | (?P<dm>\b(?P<d3>\d{{1,2}})(?:st|nd|rd|th)?(?:\ of|\ de)?\ (?P<m3>{_MONTH_NAMES})\b\.?
        (?:,?\ (?:de\ )?(?P<y3>\d{{4}})\b)?)
    | (?P<md>\b(?P<m4>{_MONTH_NAMES})\b\.?\ (?:the\ )?(?P<d4>\d{{1,2}})(?:st|nd|rd|th)?\b(?:\s?,?\ (?P<y4>\d{{4}})\b)?)
    | (?P<my>\b(?P<m5>{_MONTH_NAMES})\b\.?,?\ (?:of\ |de\ )?(?P<y5>\d{{4}})\b)
    | (?P<clock>(?<![\d:.])(?P<h1>\d{{1,2}})[:h](?P<mi>\d{{2}})(?::\d{{2}})?\b(?:\s?(?P<half1>[ap])\.?m\b)?
        |(?<![\d:.])(?P<h2>\d{{1,2}})\s?(?P<half2>[ap])\.?m\b)
    | (?P<plan>\b40[13]\s?\(?[kb]\)?(?!\w))
    | (?P<weekday>\b(?:{_DAY_NAMES})\b|[月火水木金土日]曜)
    | (?P<before>(?<![a-z])(?:{_CURRENCY})\s?)?(?P<sign>(?<![\w)\]-])[-−](?=\d))?(?<![A-Za-z0-9_.])(?P<number>{_NUMBER})
        (?P<suffix>(?:st|nd|rd|th|['’]?s|er|ra)\b)?(?:[\s-]?(?P<scale>{_SCALE})(?![a-z]))?
        (?:[\s\u00a0-]?(?P<after>(?:{_CURRENCY})(?![a-z])|{_UNIT}|[a-zà-ÿ]+))?
    | \b(?P<spelled>{_SPELLED})\b(?:[\s-](?P<after2>[a-zà-ÿ%]+))?
    | \b(?P<ordinal>{_any_of(ORDINALS)})\b
    """,
    re.IGNORECASE | re.VERBOSE,
)
_LONE_MONTH = re.compile(rf"\b(?:{_any_of(name.capitalize() for name in MONTHS if len(name) > 3)})\b")


def values(text: str) -> list[Value]:
    """In order of their places; a date with a year gives the year too, as a number."""
    found = [value for match in _SCAN.finditer(text) for value in _read(match)]
    taken = [(value.start, value.end) for value in found]
    found += [
        Value("month", str(MONTHS[match.group().casefold()]), "", *match.span())
        for match in _LONE_MONTH.finditer(text)
        if not any(start <= match.start() < end for start, end in taken)
    ]
    return sorted(found, key=lambda value: value.start)


def _read(match: re.Match[str]) -> Iterator[Value]:
    span = match.span()
    for form in ("1", "2", "3", "4"):
        if match[f"m{form}"]:
            yield from _date(match[f"m{form}"], match[f"d{form}"], match[f"y{form}"], span)
            return
    if match["m5"]:
        yield Value("month", str(_month(match["m5"])), "", *span)
        yield Value("number", match["y5"], "", *span)
    elif match["clock"]:
        yield Value("clock", _time_of_day(match), "", *span)
    elif match["weekday"]:
        yield Value("weekday", str(WEEKDAYS[match["weekday"].casefold()]), "", *span)
    elif match["number"]:
        yield _number(match)
    elif match["spelled"]:
        amount = _spelled(match["spelled"])
        yield Value("number", f"{amount:.12g}", _unit(match["after2"] or ""), match.start(), match.end("spelled"))
    elif match["ordinal"]:
        yield Value("number", str(ORDINALS[match["ordinal"].casefold()]), "", *span)


def _date(month: str, day: str, year: str | None, span: tuple[int, int]) -> Iterator[Value]:
    number = _month(month)
    yield Value("date", f"{number:02}-{int(day):02}", "", *span)
    if year:
        yield Value("number", str(int(year)), "", *span)


def _month(name: str) -> int:
    return int(name) if name.isdigit() else MONTHS[name.casefold()]


def _time_of_day(match: re.Match[str]) -> str:
    hour = int(match["h1"] or match["h2"])
    half = (match["half1"] or match["half2"] or "").casefold()
    hour = hour % 12 + (12 if half == "p" else 0) if half else hour
    return f"{hour:02}:{match['mi'] or '00'}"


def _number(match: re.Match[str]) -> Value:
    scale = (match["scale"] or "").casefold()
    after = match["after"] or ""
    if (match["suffix"] or "").endswith("s") and re.fullmatch(r"\d{3}0", match["number"]):
        return Value("number", match["number"], "decade", match.start(), match.end("suffix"))
    unit = CURRENCIES[match["before"].strip().casefold()] if match["before"] else _unit(after)
    end = match.end("after") if unit and not match["before"] else match.end("scale") if scale else match.end("number")
    amount = _amount(match["number"], scale)
    return Value(
        "number", f"-{amount}" if match["sign"] else amount, unit, match.start(), max(end, match.end("number"))
    )


def _amount(number: str, scale: str) -> str:
    plain = re.sub(r"[\u00a0\u202f’']", "", number)
    plain = re.sub(r",(?=\d{3}(?!\d))", "", plain)
    plain = re.sub(r"\.(?=\d{3}(?!\d))", "", plain) if re.fullmatch(r"[1-9]\d{0,2}(?:\.\d{3})+", plain) else plain
    plain = plain.replace(",", ".")
    try:
        return f"{float(plain) * SCALES.get(scale, 1):.12g}"
    except ValueError:
        return plain


def _spelled(words: str) -> float:
    total = current = 0.0
    for word in re.split(r"[-\s]+", words.casefold()):
        if word in TENS:
            current += TENS[word]
        elif word == "hundred":
            current = (current or 1) * 100
        else:
            total += (current or 1) * SCALES[word]
            current = 0.0
    return total + current


def _unit(word: str) -> str:
    """A unit's one name, or "" for a word that is only what happens to follow."""
    word = re.sub(r"\s", "", word.casefold())
    if word in CURRENCIES:
        return CURRENCIES[word]
    if word in ("%", "％", "percent", "porciento", "パーセント"):
        return "percent"
    return UNITS.get(word) or UNITS_PLAIN.get(word, "")
