"""Bytes of unknown character set to text with `\\n` line ends.

    byte order mark ▸ ISO-2022-JP escapes ▸ UTF-8 ▸ UTF-16/32 without a mark ▸ binary?
        ▸ CP932 | EUC-JP | Western Latin, whichever is most plausible ▸ a guess

No Unicode normalisation happens here or in any parser: a document's text stays what its author wrote, so that a
quote can be found in the original. Matching (NFKC) is the index's business.
"""

from __future__ import annotations

import codecs
import re

from knowhub.core.errors import UnreadableContent

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_ISO_2022_JP = re.compile(rb"\x1b(?:\$[@B]|\$\([D-Q]|\([IJ])")
_SAMPLE_BYTES = 200_000
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")
_KANA = re.compile(r"[\u3041-\u3096\u30a1-\u30fe]")
_JAPANESE_PUNCTUATION = re.compile(r"[\u3000-\u3020\uff01-\uff5e]")
_SIGN = re.compile(r"[\xa0-\xbf\u2010-\u205e\u20a0-\u20cf\u2122]")
_HALFWIDTH_KANA = re.compile(r"[\uff61-\uff9f]")
_HIGH_RUN = re.compile(rb"[\x80-\xff]+")
_LATIN_LETTERS = frozenset(range(0xC0, 0x100)) - {0xD7, 0xF7} | {0x8A, 0x8C, 0x8E, 0x9A, 0x9C, 0x9E, 0x9F}
_LATIN_SIGNS = frozenset(
    b"\x80\x85\x91\x92\x93\x94\x95\x96\x97\x99\xa0\xa1\xa3\xa7\xa9\xab\xae\xb0\xb1\xb2\xb4\xb7\xba\xbb\xbf"
)
_PLAUSIBLE = 0.6
_KANA_EXPECTED_FROM = {"cp932": 40, "euc_jp": 25}
"""How many characters without kana are no Japanese any more: names and headings often have none."""


def decode(data: bytes) -> str:
    """The text of `data`, byte order mark removed, every line end one `\\n`.

    Raises UnreadableContent for what is not text.
    """
    return normalise_line_ends(_decode(data))


def normalise_line_ends(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _decode(data: bytes) -> str:
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, errors="replace").replace("\0", "\ufffd")
    if _ISO_2022_JP.search(data[:_SAMPLE_BYTES]) and (text := _strict(data, "iso2022_jp_ext")) is not None:
        return text
    if (text := _strict(data, "utf-8")) is not None and "\0" not in text:
        _refuse_binary(text)
        return text
    if (wide := _utf16_or_32(data)) is not None:
        return wide
    if b"\0" in data:
        raise UnreadableContent("binary data, not text")
    return _legacy(data)


def _strict(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return None


def _refuse_binary(text: str) -> None:
    sample = text[:_SAMPLE_BYTES]
    if len(_CONTROL.findall(sample)) > max(1, len(sample) // 20):
        raise UnreadableContent("binary data, not text")


def _utf16_or_32(data: bytes) -> str | None:
    """UTF-16 or UTF-32 without a byte order mark, if the bytes read as everyday text in exactly that form."""
    candidates = []
    for encoding, width in (("utf-32-le", 4), ("utf-32-be", 4), ("utf-16-le", 2), ("utf-16-be", 2)):
        if len(data) >= width and len(data) % width == 0:
            sample = _strict(data[: _SAMPLE_BYTES // 4 * 4], encoding)
            if sample is not None:
                candidates.append((_everyday(sample), encoding))
    score, encoding = max(candidates, default=(0.0, ""))
    # Two bytes of ASCII make a CJK ideograph of UTF-16, so ideographs alone prove nothing: NULs or kana must be there.
    return _strict(data, encoding) if score > 0.9 else None


def _everyday(text: str) -> float:
    """Share of characters that are ASCII text, kana or their punctuation, counted only if there are enough of them."""
    if "\0" in text:
        return 0.0
    ascii_text = sum(1 for c in text if " " <= c <= "~" or c in "\t\n\r")
    japanese = len(_KANA.findall(text)) + len(_JAPANESE_PUNCTUATION.findall(text))
    if ascii_text + japanese < max(1, len(text) // 10):
        return 0.0
    letters = sum(1 for c in text if c > "\x7f" and (c.isalpha() or _SIGN.match(c)) and not "\uac00" <= c <= "\ud7a3")
    return (ascii_text + max(japanese, letters)) / len(text)


# ── one byte or two: the encodings before Unicode ────────────────────────────────────────────────────


def _legacy(data: bytes) -> str:
    sample = data[:_SAMPLE_BYTES]
    japanese, encoding = max((_japanese_score(sample, name), name) for name in ("cp932", "euc_jp"))
    latin = _latin_score(sample)
    if japanese >= _PLAUSIBLE and japanese >= latin and (text := _strict(data, encoding)) is not None:
        return text
    if latin < _PLAUSIBLE and (text := _guess(data)) is not None:
        return text
    text = _strict(data, "cp1252")
    if text is None:
        text = data.decode("latin-1")
    if latin < _PLAUSIBLE:
        _refuse_noise(text)
    _refuse_binary(text)
    return text


def _japanese_score(sample: bytes, encoding: str) -> float:
    """How much of the non-ASCII text is kana, punctuation and everyday (JIS level 1) kanji: 0 to 1.

    Accented Latin read as CP932 makes rare or lone kanji and half-width kana; Korean and Chinese read as EUC-JP
    make kanji without any kana.
    """
    text = _strict(sample, encoding)
    if text is None:  # a sample may end within a character
        text = _strict(sample[:-1], encoding)
    if not text:
        return 0.0
    points, total, kana = 0.0, 0, 0
    for run in _NOT_ASCII.finditer(text):
        chars = run.group()
        sure = len(_KANA.findall(chars)) + len(_JAPANESE_PUNCTUATION.findall(chars))
        half = len(_HALFWIDTH_KANA.findall(chars))
        common = _common_kanji(chars)
        lone = common == 1 and len(chars) == 1 and _touches_letter(text, run.start(), run.end())
        points += sure + (0.2 if lone else common) + 0.4 * half + 0.2 * (len(chars) - sure - half - common)
        total += len(chars)
        kana += sure + half
    if total >= _KANA_EXPECTED_FROM[encoding] and kana * 20 < total:
        return 0.0
    return points / total if total else 0.0


def _common_kanji(chars: str) -> int:
    """Kanji of JIS X 0208 level 1, which fill lead bytes 0x88 to 0x97 of Shift_JIS."""
    encoded = chars.encode("cp932", errors="ignore")
    count = i = 0
    while i < len(encoded):
        wide = 0x81 <= encoded[i] <= 0x9F or encoded[i] >= 0xE0
        count += wide and 0x88 <= encoded[i] <= 0x97
        i += 2 if wide else 1
    return count


def _touches_letter(text: str, start: int, end: int) -> bool:
    return text[start - 1 : start].isalpha() or text[end : end + 1].isalpha()


def _latin_score(sample: bytes) -> float:
    """How much of the high bytes is accented letters within words, and typographic signs, of Western Europe."""
    points = total = 0.0
    for run in _HIGH_RUN.finditer(sample):
        chars = run.group()
        total += len(chars)
        beside = sample[max(0, run.start() - 1) : run.start()] + sample[run.end() : run.end() + 1]
        if len(chars) > 2:
            points += 0.1 * len(chars)
            continue
        in_word = beside.isalpha() or any(chr(b).isalpha() for b in beside)
        for byte in chars:
            if byte in _LATIN_LETTERS:
                points += 1.0 if in_word else 0.5
            elif byte in _LATIN_SIGNS:
                points += 0.9
    return points / total if total else 1.0


def _guess(data: bytes) -> str | None:
    """Cyrillic, Greek, Korean, Chinese and the rest, by charset-normalizer."""
    from charset_normalizer import from_bytes

    best = from_bytes(data[:_SAMPLE_BYTES]).best()
    if best is None or best.encoding in {"utf_16", "utf_32", "utf_7"}:
        return None
    return _strict(data, best.encoding)


def _refuse_noise(text: str) -> None:
    """Compressed or encrypted bytes: as many control characters as anything else."""
    sample = text[:_SAMPLE_BYTES]
    strange = sum(1 for c in sample if not (c.isalnum() or c.isspace() or " " <= c <= "~"))
    if strange * 4 > len(sample):
        raise UnreadableContent("binary data, not text")
