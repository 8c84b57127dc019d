"""A file's bytes to a document: the one door to every parser of file formats.

    bytes, name ──▶ what it is: decisive first bytes ▸ extension ▸ text or not ──▶ parser ──▶ Parsed

Pure, but not harmless: hostile bytes can take time and memory or crash native code. `sandbox.Sandbox` bounds that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from typing import cast

from knowhub.core.errors import UnreadableContent
from knowhub.formats import code, text
from knowhub.formats.charset import decode, is_utf8
from knowhub.formats.markdown import parse_markdown
from knowhub.formats.parsed import Parsed

MAX_CHARS = 20_000_000
_CHEAP_TEXT_BYTES = 1_000_000
_CHEAP_TABLE_BYTES = 200_000

_MARKDOWN = frozenset(("md", "markdown", "mdx", "mkd", "mdown", "qmd", "rmd"))
_TABLES = frozenset(("csv", "tsv", "tab"))
_FORMATS = {
    "html": "html", "htm": "html", "xhtml": "html", "pdf": "pdf",
    "docx": "docx", "docm": "docx", "dotx": "docx", "pptx": "pptx", "pptm": "pptx", "ppsx": "pptx",
    "xlsx": "spreadsheet", "xlsm": "spreadsheet", "xlsb": "spreadsheet", "xls": "spreadsheet", "ods": "spreadsheet",
    "eml": "mail", "msg": "msg", "ipynb": "notebook", "epub": "epub", "rss": "feed", "atom": "feed",
}  # fmt: skip
_PARSERS = {
    "html": ("html", "parse_html"),
    "pdf": ("pdf", "parse_pdf"),
    "docx": ("office", "parse_docx"),
    "pptx": ("slides", "parse_pptx"),
    "spreadsheet": ("spreadsheet", "parse_spreadsheet"),
    "mail": ("mail", "parse_eml"),
    "msg": ("mail", "parse_msg"),
    "notebook": ("notebook", "parse_notebook"),
    "epub": ("epub", "parse_epub"),
    "feed": ("feed", "parse_feed"),
    "delimited": ("delimited", "parse_delimited_bytes"),
}


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NO_TEXT = _names(
    # images, audio, video, fonts
    "png jpg jpeg gif bmp tif tiff webp heic heif avif ico icns psd ai xcf raw cr2 nef svgz mp3 m4a wav flac ogg oga"
    " opus aac wma aiff mid midi mp4 m4v mov avi mkv webm wmv flv mpg mpeg 3gp ttf otf woff woff2 eot"
    # archives, programs, data that only programs read
    " zip gz tgz bz2 tbz2 xz txz zst 7z rar tar jar war ear whl egg apk ipa dmg iso img deb rpm cab msi exe dll so"
    " dylib a o obj lib class pyc pyo pyd wasm bin dat pack idx db sqlite sqlite3 mdb accdb parquet arrow feather orc"
    " avro npy npz pkl pickle joblib h5 hdf5 onnx pt pth safetensors gguf tflite swp ds_store lock"
)
_NO_READER = _names("doc dot ppt pps odt odp odg rtf pages numbers key one vsd vsdx pub wpd mobi azw azw3 djvu")
_ZIP_PARTS = (("word/", "docx"), ("ppt/", "pptx"), ("xl/", "spreadsheet"))
_ZIP_MEDIA_TYPES = (
    (b"application/epub+zip", "epub"),
    (b"application/vnd.oasis.opendocument.spreadsheet", "spreadsheet"),
)
_MAGIC_NO_TEXT = (
    (b"\x89PNG", "png"), (b"\xff\xd8\xff", "jpg"), (b"GIF8", "gif"), (b"\x1f\x8b", "gz"), (b"7z\xbc\xaf", "7z"),
    (b"Rar!", "rar"), (b"\x7fELF", "ELF"), (b"\xfd7zXZ", "xz"), (b"BZh", "bz2"), (b"\x28\xb5\x2f\xfd", "zst"),
    (b"OggS", "ogg"), (b"ID3", "mp3"), (b"RIFF", "riff"), (b"SQLite format 3\0", "sqlite"),
    (b"\xca\xfe\xba\xbe", "class"),
)  # fmt: skip
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def extension(name: str) -> str:
    """In lower case, without the dot; "" if there is none. A leading dot alone (`.gitignore`) makes no extension."""
    base = name.rpartition("/")[2]
    return base.rpartition(".")[2].lower() if "." in base[1:] else ""


def supported(name: str) -> bool:
    """False if the name alone tells that no text can come of it."""
    return not unsupported_reason(name)


def unsupported_reason(name: str) -> str:
    """A constant phrase for a kind of file that is never parsed (`no text in .png files`), else ""."""
    ending = extension(name)
    if ending in _NO_TEXT:
        return f"no text in .{ending} files"
    return f"no reader for .{ending} files" if ending in _NO_READER else ""


def is_cheap(data: bytes, name: str) -> bool:
    """True if parsing takes time and memory proportional to a small size, in Python code only: no child is needed."""
    ending = extension(name)
    if ending in _TABLES:
        return len(data) <= _CHEAP_TABLE_BYTES and is_utf8(data)
    plain = ending in _MARKDOWN or ending in text.PROSE or (bool(code.language_of(name)) and ending != "xml")
    return plain and len(data) <= _CHEAP_TEXT_BYTES and is_utf8(data)


def parse_file(data: bytes, name: str) -> Parsed:
    """The document that the file holds. Raises UnreadableContent, its message the reason in a few words."""
    if reason := unsupported_reason(name):
        raise UnreadableContent(reason)
    try:
        parsed = _parse(data, name)
    except (UnreadableContent, MemoryError):
        raise
    except RecursionError as error:
        raise UnreadableContent("nested too deeply") from error
    except Exception as error:  # a broken file makes third-party parsers raise anything at all
        raise UnreadableContent(f"broken: {type(error).__name__}: {str(error)[:200]}".rstrip(": ")) from error
    if len(parsed.text) > MAX_CHARS:
        raise UnreadableContent(f"more than {MAX_CHARS:,} characters of text")
    return _storable(parsed)


def _parse(data: bytes, name: str) -> Parsed:
    kind = _binary_format(data, name) or _FORMATS.get(extension(name), "")
    if kind:
        return _parser(kind)(data)
    if extension(name) in _TABLES:
        from knowhub.formats.delimited import parse_delimited

        return parse_delimited(decode(data))
    return _parse_text(data, name)


def _parse_text(data: bytes, name: str) -> Parsed:
    content = decode(data)
    if extension(name) in _MARKDOWN:
        return parse_markdown(content)
    start = content[:1000].lstrip().lower()
    language = code.language_of(name)
    if language in ("", "xml") and ("<rss" in start or "<feed" in start or "<rdf:rdf" in start):
        return _parser("feed")(data)
    if language:
        return code.parse_code(content, language)
    if not extension(name) and start.startswith(("<!doctype html", "<html")):
        return _parser("html")(data)
    if language := code.language_of_shebang(content):
        return code.parse_code(content, language)
    return text.parse_text(content)


def _binary_format(data: bytes, name: str) -> str:
    """What the first bytes prove, whatever the name says; "" if they prove nothing."""
    if data.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zip_format(data, name)
    if data.startswith(_OLE):
        return _ole_format(data)
    if b"%PDF-" in data[:1024] and (data.startswith(b"%PDF-") or extension(name) == "pdf"):
        return "pdf"
    if data.startswith(b"{\\rtf"):
        raise UnreadableContent("no reader for .rtf files")
    for magic, ending in _MAGIC_NO_TEXT:
        if data.startswith(magic) and b"\0" in data[:4096]:
            raise UnreadableContent(f"no text in .{ending} files")
    wanted = _FORMATS.get(extension(name), "")
    if wanted in ("docx", "pptx", "epub"):
        raise UnreadableContent("not a valid ZIP" if data else "empty file")
    if wanted == "pdf":
        raise UnreadableContent("not a PDF" if data else "empty file")
    if wanted == "spreadsheet" and not data.startswith((b"\x09\x08", b"\x09\x04", b"\x09\x02", b"\x09\x00")):
        return _spreadsheet_in_disguise(data)
    return ""


def _spreadsheet_in_disguise(data: bytes) -> str:
    """Programs export HTML and separated values under the name .xls."""
    if not data:
        raise UnreadableContent("empty file")
    content = decode(data)
    return "html" if content[:1000].lstrip().lower().startswith(("<", "<!doctype")) else "delimited"


def _zip_format(data: bytes, name: str) -> str:
    from knowhub.formats.archive import opened

    with opened(data) as archive:
        names = archive.namelist()
        media_type = archive.read("mimetype")[:100] if "mimetype" in names else b""
    for prefix, kind in _ZIP_MEDIA_TYPES:
        if media_type.startswith(prefix):
            return kind
    for folder, kind in _ZIP_PARTS:
        if any(n.replace("\\", "/").lstrip("/").lower().startswith(folder) for n in names):
            return kind
    if wanted := _FORMATS.get(extension(name), ""):
        return wanted
    raise UnreadableContent("no text in .zip files")


def _ole_format(data: bytes) -> str:
    from knowhub.formats.compound import compound_format

    return compound_format(data)


def _parser(kind: str) -> Callable[[bytes], Parsed]:
    """Imported when first needed: together they cost more than a whole run over Markdown files."""
    module, function = _PARSERS[kind]
    return cast("Callable[[bytes], Parsed]", getattr(import_module(f"knowhub.formats.{module}"), function))


def _storable(parsed: Parsed) -> Parsed:
    """Without lone surrogates and NULs, which UTF-8 and databases refuse; offsets stay as they are."""
    try:
        parsed.text.encode()
        if "\0" not in parsed.text:
            return parsed
    except UnicodeEncodeError:
        pass
    return replace(parsed, text=_replaced(parsed.text), title=_replaced(parsed.title))


def _replaced(value: str) -> str:
    return "".join("\ufffd" if c == "\0" or "\ud800" <= c <= "\udfff" else c for c in value)
