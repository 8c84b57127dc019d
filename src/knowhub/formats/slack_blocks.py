"""Block Kit to Markdown: the blocks of a message, of an attachment, of an unfurled message.

    blocks ─▶ one renderer a block type ─▶ rich text: section | list | quote | preformatted ─▶ inline elements
                        └─ unknown type: every text in it, in order

Reference: https://docs.slack.dev/reference/block-kit/blocks. Bots send what they like: a value of the wrong type
counts as absent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from knowhub.formats.slack_mrkdwn import Names, channel, code_span, fence, link, moment, quote, to_markdown, user

Json = Mapping[str, Any]

_WORDED = ("title", "label", "pretext", "text", "plain_text", "raw_text", "value", "caption", "description", "subtitle")
_ALSO_WORDED = ("body", "hint", "alt_text", "fallback")


def render_blocks(blocks: object, names: Names) -> str:
    """Markdown of a list of blocks, one under the other; "" if nothing in them has words."""
    return "\n".join(filter(None, (render_block(block, names) for block in objects(blocks))))


def render_block(block: Json, names: Names) -> str:
    render = _BLOCKS.get(string(block, "type"), harvest)
    return render(block, names)


def harvest(node: object, names: Names) -> str:
    """Every text in a structure that this module does not know, in the order that Slack's own blocks have."""
    if isinstance(node, list):
        return "\n".join(filter(None, (harvest(part, names) for part in node)))
    if not isinstance(node, Mapping):
        return ""
    if string(node, "type") in _BLOCKS:
        return render_block(node, names)
    if string(node, "type") in _ELEMENTS:
        return _inline([node], names)
    found = [_worded(node, key, names) for key in (*_WORDED, *_ALSO_WORDED)]
    found += [harvest(value, names) for key, value in node.items() if key not in (*_WORDED, *_ALSO_WORDED)]
    return "\n".join(dict.fromkeys(filter(None, found)))


def text_object(value: object, names: Names) -> str:
    """A text object (`mrkdwn` or `plain_text`), or a bare string in mrkdwn."""
    if isinstance(value, str):
        return to_markdown(value, names)
    if not isinstance(value, Mapping):
        return ""
    words = string(value, "text")
    return to_markdown(words, names) if value.get("type") == "mrkdwn" else words


def string(node: Json, key: str) -> str:
    value = node.get(key)
    return value if isinstance(value, str) else ""


def objects(value: object) -> list[Json]:
    return [part for part in value if isinstance(part, Mapping)] if isinstance(value, list) else []


def _worded(node: Json, key: str, names: Names) -> str:
    value = node.get(key)
    return text_object(value, names) if isinstance(value, str) else harvest(value, names)


# ── blocks ───────────────────────────────────────────────────────────────────────────────────────────


def _section(block: Json, names: Names) -> str:
    fields = block.get("fields")
    parts = [text_object(block.get("text"), names)]
    parts += [text_object(field, names) for field in fields] if isinstance(fields, list) else []
    parts += [_element(block["accessory"], names)] if isinstance(block.get("accessory"), Mapping) else []
    return "\n".join(filter(None, parts))


def _header(block: Json, names: Names) -> str:
    words = text_object(block.get("text"), names).strip()
    return f"**{words}**" if words else ""


def _context(block: Json, names: Names) -> str:
    return " ".join(filter(None, (_element(element, names) for element in objects(block.get("elements")))))


def _image(block: Json, names: Names) -> str:
    words = dict.fromkeys((text_object(block.get("title"), names).strip(), string(block, "alt_text").strip()))
    label = " — ".join(filter(None, words))
    return f"Image: {label}" if label else ""


def _video(block: Json, names: Names) -> str:
    title = link(string(block, "title_url"), text_object(block.get("title"), names) or string(block, "alt_text"))
    parts = [f"Video: {title}" if title else "", text_object(block.get("description"), names)]
    parts += [string(block, "author_name"), string(block, "provider_name")]
    return "\n".join(filter(None, parts))


def _input(block: Json, names: Names) -> str:
    parts = [text_object(block.get("label"), names), text_object(block.get("hint"), names)]
    parts += [_element(block["element"], names)] if isinstance(block.get("element"), Mapping) else []
    return "\n".join(filter(None, parts))


def _table(block: Json, names: Names) -> str:
    value = block.get("rows")
    listed = value if isinstance(value, list) else []
    rows = [[_cell(cell, names) for cell in row] for row in listed if isinstance(row, list)]
    if not any(any(row) for row in rows):
        return text_object(block.get("caption"), names)
    width = max(len(row) for row in rows)
    lines = ["| " + " | ".join(row + [""] * (width - len(row))) + " |" for row in rows]
    lines.insert(1, "|" + " --- |" * width)
    return "\n".join(filter(None, (text_object(block.get("caption"), names), *lines)))


def _cell(cell: object, names: Names) -> str:
    words = harvest(cell, names) or (string(cell, "text") if isinstance(cell, Mapping) else str(cell or ""))
    return " ".join(words.split()).replace("|", "\\|")


def _element(element: Json, names: Names) -> str:
    """What a person reads on a button, a menu, an image: interactive elements keep their words and choices."""
    kind = string(element, "type")
    if kind in ("mrkdwn", "plain_text"):
        return text_object(element, names)
    if kind == "image":
        return _image(element, names)
    if kind in ("button", "workflow_button"):
        return link(string(element, "url"), text_object(element.get("text"), names))
    return harvest({key: value for key, value in element.items() if key != "confirm"}, names)


# ── rich text ────────────────────────────────────────────────────────────────────────────────────────


def _rich_text(block: Json, names: Names) -> str:
    return "\n".join(filter(None, (_rich_part(part, names) for part in objects(block.get("elements")))))


def _rich_part(part: Json, names: Names) -> str:
    kind = string(part, "type")
    if kind == "rich_text_list":
        return _rich_list(part, names)
    words = _inline(objects(part.get("elements")), names, plain=kind == "rich_text_preformatted")
    if kind == "rich_text_preformatted":
        return fence(words, string(part, "language")) if words else ""
    if kind == "rich_text_quote":
        return quote(words) if words else ""
    return words if kind == "rich_text_section" else harvest(part, names)


def _rich_list(part: Json, names: Names) -> str:
    indent = "  " * min(_number(part, "indent"), 8)
    ordered = part.get("style") == "ordered"
    lines = []
    for number, item in enumerate(objects(part.get("elements")), _number(part, "offset") + 1):
        mark = f"{number}. " if ordered else "- "
        inner = f"\n{indent}{' ' * len(mark)}"
        lines.append(indent + mark + _rich_part(item, names).strip("\n").replace("\n", inner))
    return "\n".join(lines)


def _number(node: Json, key: str) -> int:
    value = node.get(key)
    return value if isinstance(value, int) and value > 0 else 0


def _inline(elements: Sequence[Json], names: Names, *, plain: bool = False) -> str:
    rendered = []
    for element in elements:
        kind = string(element, "type")
        words = _ELEMENTS.get(kind, _unknown)(element, names)
        bare = string(element, "text") or words if kind == "link" else words
        rendered.append(bare if plain else _styled(words, element))
    return "".join(rendered)


def _styled(words: str, element: Json) -> str:
    style = element.get("style")
    if not isinstance(style, Mapping) or not words.strip():
        return words
    core = words.strip()
    lead, tail = words[: words.index(core)], words[words.index(core) + len(core) :]
    if style.get("code"):
        core = code_span(core)
    for key, mark in (("strike", "~~"), ("italic", "_"), ("bold", "**")):
        core = f"{mark}{core}{mark}" if style.get(key) else core
    return lead + core + tail


def _unknown(element: Json, names: Names) -> str:
    """An element of a later day: a nested part, or whatever words it holds."""
    if string(element, "type").startswith("rich_text_"):
        return _rich_part(element, names)
    return harvest(element, names)


def _date(element: Json, _: Names) -> str:
    timestamp = element.get("timestamp")
    words = moment(timestamp if isinstance(timestamp, (int, float, str)) else "", string(element, "fallback"))
    return link(string(element, "url"), words)


_ELEMENTS: dict[str, Callable[[Json, Names], str]] = {
    "text": lambda element, _: string(element, "text"),
    "link": lambda element, _: link(string(element, "url"), string(element, "text")),
    "emoji": lambda element, _: f":{string(element, 'name')}:",
    "user": lambda element, names: user(string(element, "user_id"), names),
    "usergroup": lambda element, names: user(string(element, "usergroup_id"), names),
    "team": lambda element, names: user(string(element, "team_id"), names),
    "channel": lambda element, names: channel(string(element, "channel_id"), names),
    "broadcast": lambda element, _: f"@{string(element, 'range')}",
    "color": lambda element, _: string(element, "value"),
    "date": _date,
}

_BLOCKS: dict[str, Callable[[Json, Names], str]] = {
    "rich_text": _rich_text,
    "section": _section,
    "header": _header,
    "context": _context,
    "actions": _context,
    "context_actions": _context,
    "image": _image,
    "video": _video,
    "input": _input,
    "markdown": lambda block, _: string(block, "text"),
    "table": _table,
    "data_table": _table,
    "divider": lambda _block, _: "",
    "file": lambda _block, _: "",
}
