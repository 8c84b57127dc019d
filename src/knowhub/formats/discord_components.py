"""What hangs on a Discord message, to Markdown: embeds, components, polls, stickers, attachments.

References: https://discord.com/developers/docs/resources/message#embed-object, …/components/reference,
…/resources/poll. Bots send what they like: a value of the wrong type counts as absent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from knowhub.formats.discord_markdown import Names, to_markdown
from knowhub.formats.markdown_pieces import link, quoted

Json = Mapping[str, Any]

_DEEPEST = 20
_WORDED = ("title", "label", "content", "name", "description", "placeholder", "value", "text")


def string(node: object, key: str) -> str:
    value = node.get(key) if isinstance(node, Mapping) else None
    return value if isinstance(value, str) else ""


def objects(value: object) -> list[Json]:
    return [part for part in value if isinstance(part, Mapping)] if isinstance(value, list) else []


def mapping(node: Json, key: str) -> Json:
    value = node.get(key)
    return value if isinstance(value, Mapping) else {}


def lines(*parts: str) -> str:
    return "\n".join(part for part in parts if part.strip())


# ── embeds ───────────────────────────────────────────────────────────────────────────────────────────


def render_embed(embed: Json, names: Names) -> str:
    """A bot's card as it stands, what a link unfolded to as a quote; "" for a bare picture."""
    if string(embed, "type") == "poll_result":
        return _poll_result(embed)
    head = [string(mapping(embed, "provider"), "name"), string(mapping(embed, "author"), "name")]
    head += [link(to_markdown(string(embed, "title"), names), string(embed, "url") if string(embed, "title") else "")]
    tail = [_field(field, names) for field in objects(embed.get("fields"))]
    tail += [string(mapping(embed, key), "description") for key in ("image", "thumbnail", "video")]
    tail += [render_components(embed.get("components"), names), string(mapping(embed, "footer"), "text")]
    body = lines(*head, to_markdown(string(embed, "description"), names), *tail)
    return quoted(body) if body and string(embed, "type") not in ("", "rich", "auto_moderation_message") else body


def _field(field: Json, names: Names) -> str:
    name = to_markdown(string(field, "name"), names).strip().strip("\u200b")
    value = to_markdown(string(field, "value"), names).strip().strip("\u200b")
    gap = "\n" if "\n" in value else " "
    return f"**{name}**:{gap}{value}" if name and value else value or name


def _poll_result(embed: Json) -> str:
    told = {string(field, "name"): string(field, "value") for field in objects(embed.get("fields"))}
    winner = " ".join(filter(None, (told.get("victor_answer_emoji_name", ""), told.get("victor_answer_text", ""))))
    votes = f"{told.get('victor_answer_votes', '?')} of {told.get('total_votes', '?')} votes"
    question = told.get("poll_question_text", "")
    return f"Poll result: {question}\n{winner or 'no winner'} ({votes})" if question or winner else ""


# ── polls, stickers, files ───────────────────────────────────────────────────────────────────────────


def render_poll(poll: Json) -> str:
    """The question and its answers, with the votes once they are final: before that they change all the time."""
    question = string(mapping(poll, "question"), "text").strip()
    results = mapping(poll, "results")
    counts = {entry.get("id"): entry.get("count") for entry in objects(results.get("answer_counts"))}
    final = results.get("is_finalized") is True
    answers = []
    for answer in objects(poll.get("answers")):
        votes = counts.get(answer.get("answer_id"), 0)
        answers.append(f"- {_poll_media(mapping(answer, 'poll_media'))}" + (f": {votes} votes" if final else ""))
    return lines(f"Poll: {question}" if question or answers else "", *answers)


def _poll_media(media: Json) -> str:
    return " ".join(filter(None, (string(mapping(media, "emoji"), "name"), string(media, "text").strip())))


def render_sticker(sticker: Json) -> str:
    words = dict.fromkeys((string(sticker, "name").strip(), string(sticker, "description").strip()))
    label = " — ".join(filter(None, words))
    return f"Sticker: {label}" if label else ""


def render_file(file: Json) -> str:
    title, name = string(file, "title").strip(), string(file, "filename").strip()
    label = f"{title} ({name})" if title and name and title != name.rpartition(".")[0] else name or title
    described = string(file, "description").strip()
    return f"File: {label}{' — ' if label and described else ''}{described}" if label or described else ""


# ── components ───────────────────────────────────────────────────────────────────────────────────────


def render_components(components: object, names: Names, depth: int = 0) -> str:
    """What a person reads on buttons, menus, sections and containers, one under the other."""
    if depth > _DEEPEST:
        return ""
    return lines(*(_component(component, names, depth) for component in objects(components)))


def _component(component: Json, names: Names, depth: int) -> str:
    kind = component.get("type")
    render = _COMPONENTS.get(kind, _worded) if isinstance(kind, int) else _worded
    return render(component, names, depth)


def _button(button: Json, _names: Names, _depth: int) -> str:
    label = " ".join(filter(None, (string(mapping(button, "emoji"), "name"), string(button, "label"))))
    return link(label, string(button, "url")) if label or string(button, "url") else ""


def _select(select: Json, _names: Names, _depth: int) -> str:
    options = [
        lines(string(option, "label"), string(option, "description")) for option in objects(select.get("options"))
    ]
    return lines(string(select, "placeholder"), *(f"- {option}".replace("\n", "\n  ") for option in options if option))


def _section(section: Json, names: Names, depth: int) -> str:
    accessory = mapping(section, "accessory")
    return lines(
        render_components(section.get("components"), names, depth + 1),
        render_components([accessory] if accessory else [], names, depth + 1),
    )


def _gallery(gallery: Json, _names: Names, _depth: int) -> str:
    told = (string(item, "description").strip() for item in objects(gallery.get("items")))
    return lines(*(f"Image: {words}" for words in told if words))


def _thumbnail(thumbnail: Json, _names: Names, _depth: int) -> str:
    words = string(thumbnail, "description").strip()
    return f"Image: {words}" if words else ""


def _file(file: Json, _names: Names, _depth: int) -> str:
    name = string(file, "name").strip()
    return f"File: {name}" if name else ""


def _worded(node: Json, names: Names, depth: int) -> str:
    """A component of a later day, or one of a dialog: whatever words it holds, then what lies in it."""
    inner = node.get("components")
    within = [*(inner if isinstance(inner, list) else []), node.get("component"), *objects(node.get("options"))]
    return lines(*(string(node, key) for key in _WORDED), render_components(within, names, depth + 1))


_COMPONENTS: dict[int, Callable[[Json, Names, int], str]] = {
    1: lambda row, names, depth: render_components(row.get("components"), names, depth + 1),
    2: _button,
    3: _select,
    9: _section,
    10: lambda text, names, _: to_markdown(string(text, "content"), names),
    11: _thumbnail,
    12: _gallery,
    13: _file,
    14: lambda *_: "",
    17: lambda box, names, depth: render_components(box.get("components"), names, depth + 1),
}
