"""E-mail: EML (RFC 5322, MIME) and Outlook's MSG to one text: headers, body, attachments by name."""

from __future__ import annotations

import contextlib
import email
import email.errors
import email.header
import email.policy
import email.utils
import re
from datetime import UTC, datetime
from email.message import EmailMessage, Message
from typing import TYPE_CHECKING

from knowhub.core.errors import UnreadableContent
from knowhub.core.types import Section
from knowhub.formats import code, text
from knowhub.formats.charset import decode, normalise_line_ends
from knowhub.formats.html import html_to_markdown
from knowhub.formats.parsed import Parsed

if TYPE_CHECKING:
    import oxmsg

_HEADERS = ("From", "To", "Cc", "Date", "Subject")
_CONTAINERS = re.compile(rb"^content-type:\s*(?:multipart|message)/", re.IGNORECASE | re.MULTILINE)
_MAX_CONTAINERS = 300  # the standard library's parser takes time by the square of their depth
_MAX_ATTACHED_TEXT_BYTES = 100_000
_READ_ATTACHMENTS = frozenset(("md", "markdown", "csv", "tsv", "ics", "vcf")) | text.PROSE


def parse_eml(data: bytes) -> Parsed:
    """One message with its quoted replies. Small attachments of text are read, all others named with their size."""
    if len(_CONTAINERS.findall(data)) > _MAX_CONTAINERS:
        raise UnreadableContent("nested too deeply")
    message = email.message_from_bytes(data, policy=email.policy.default)
    if not message.keys() or not any(name in message for name in ("From", "To", "Subject", "Date", "Received")):
        raise UnreadableContent("not an e-mail: no headers")
    headers = {name: value for name in _HEADERS if (value := _header(message, name))}
    attached = [_attachment(part) for part in message.iter_attachments()] if message.is_multipart() else []
    return _composed(headers, _body(message), attached, _time(headers.get("Date", "")))


def parse_msg(data: bytes) -> Parsed:
    import oxmsg

    try:
        message = oxmsg.Message.load(data)
    except (ValueError, OSError, KeyError) as error:
        raise UnreadableContent("broken Outlook message") from error
    sent = message.sent_date
    headers = {
        "From": message.sender or "",
        "To": "; ".join(
            email.utils.formataddr((r.name, r.email_address)) for r in message.recipients if r.email_address
        ),
        "Date": sent.isoformat(" ", "minutes") if sent else "",
        "Subject": message.subject,
    }
    attached = [_msg_attachment(attachment) for attachment in message.attachments]
    time = sent.replace(tzinfo=UTC) if sent and sent.tzinfo is None else sent
    headers = {name: _words(value.replace("\0", "")) for name, value in headers.items() if value.strip()}
    return _composed(headers, _msg_body(message), attached, time)


def _composed(headers: dict[str, str], body: str, attached: list[str], time: datetime | None) -> Parsed:
    blocks = ["\n".join(f"{name}: {value}" for name, value in headers.items()), body.strip()]
    message = "\n\n".join(block for block in blocks if block)
    author = _display_name(headers.get("From", ""))
    subject = headers.get("Subject", "")
    sections = [Section(0, len(message), "message", "", subject, author, time)]
    whole = message
    for block in attached:
        start = len(whole) + 2
        whole += f"\n\n{block}"
        sections.append(Section(start, len(whole), "file", "", block.split("\n", 1)[0]))
    return Parsed("text", whole, subject, "", (author,) if author else (), time, None, tuple(sections))


def _display_name(sender: str) -> str:
    name, address = email.utils.parseaddr(sender)
    return name or address


def _time(value: str) -> datetime | None:
    try:
        time = email.utils.parsedate_to_datetime(value)
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


# ── EML ──────────────────────────────────────────────────────────────────────────────────────────────


def _header(message: Message, name: str) -> str:
    try:
        value = str(message.get(name) or "")
    except (ValueError, IndexError, AttributeError, TypeError, LookupError):  # the parser of broken headers has holes
        value = next((str(v) for k, v in message.raw_items() if k.lower() == name.lower()), "")
    if any("\udc80" <= c <= "\udcff" for c in value):  # raw bytes in a header, of no declared character set
        value = decode(value.encode("utf-8", "surrogateescape"))
    return " ".join(value.split())


def _body(message: EmailMessage) -> str:
    plain = message.get_body(("plain",))
    html = message.get_body(("html",))
    words = _content(plain).strip() if plain is not None else ""
    if words or html is None:
        return words
    return html_to_markdown(_content(html))


def _content(part: Message) -> str:
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return ""
    declared = part.get_content_charset()
    if declared and declared not in ("us-ascii", "unknown-8bit", "iso-8859-1"):
        try:
            return normalise_line_ends(payload.decode(declared))
        except (LookupError, UnicodeDecodeError):
            pass  # a false declaration: the bytes decide
    return decode(payload)


def _attachment(part: Message) -> str:
    name = part.get_filename() or part.get_content_type()
    if part.get_content_type() == "message/rfc822":
        inner = part.get_payload(0) if part.is_multipart() else None
        if isinstance(inner, EmailMessage):
            headers = "\n".join(f"{h}: {v}" for h in _HEADERS if (v := _header(inner, h)))
            return f"Attached message\n{headers}\n\n{_body(inner)}"
    payload = part.get_payload(decode=True)
    return _described(name, payload if isinstance(payload, bytes) else b"")


def _described(name: str, payload: bytes) -> str:
    line = f"Attachment: {' '.join(name.split())} ({len(payload):,} bytes)"
    ending = name.rpartition(".")[2].lower()
    if len(payload) > _MAX_ATTACHED_TEXT_BYTES or not (ending in _READ_ATTACHMENTS or code.language_of(name)):
        return line
    try:
        return f"{line}\n{decode(payload).strip()}"
    except UnreadableContent:
        return line


# ── MSG ──────────────────────────────────────────────────────────────────────────────────────────────


def _words(value: str) -> str:
    """One line; a header that Outlook stored as it was sent is decoded (RFC 2047)."""
    if "=?" in value:
        with contextlib.suppress(email.errors.HeaderParseError, LookupError, ValueError):
            value = str(email.header.make_header(email.header.decode_header(value)))
    return " ".join(value.split())


def _msg_body(message: oxmsg.Message) -> str:
    plain = normalise_line_ends(message.body or "").replace("\0", "")
    if plain.strip():
        return plain
    try:
        return html_to_markdown(message.html_body or "")
    except (LookupError, UnicodeDecodeError):
        return ""


def _msg_attachment(attachment: oxmsg.attachment.Attachment) -> str:
    return _described(attachment.file_name or "unnamed", attachment.file_bytes or b"")
