"""A file's bytes as JSON and back, exactly: text where the bytes are UTF-8, base64 where they are not."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from knowhub.core.errors import UnreadableContent


def pack(data: bytes) -> dict[str, str]:
    """`{"text": …}` or `{"base64": …}`. NUL bytes go to base64: JSON would write six characters for each."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        return {"base64": base64.b64encode(data).decode("ascii")}
    return {"text": text}


def unpack(payload: Mapping[str, Any]) -> bytes:
    """The bytes that `pack` was given. Raises UnreadableContent where there are none."""
    text, encoded = payload.get("text"), payload.get("base64")
    try:
        if isinstance(text, str):
            return text.encode("utf-8")
        if isinstance(encoded, str):
            return base64.b64decode(encoded, validate=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise UnreadableContent(f"the stored content does not decode: {error}") from error
    raise UnreadableContent("the stored record holds no content")
