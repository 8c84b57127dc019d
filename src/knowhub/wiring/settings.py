"""All configuration: `knowhub.toml`, overridden by the environment (`KNOWHUB_LAKE__KEEP_DAYS=30`).

The only reader of the environment. Every mistake is one line that names the key's path.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
import tomllib
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from knowhub.core.errors import ConfigurationError
from knowhub.core.secret import Secret
from knowhub.wiring.secrets import resolve

FILE_NAME = "knowhub.toml"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
Options = TypeVar("Options")


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class HubSettings(_Table):
    """Where this hub keeps what it makes."""

    data: Path = Field(Path(".knowhub"), description="Folder of ledger, index, embedding cache and, by default, lake.")


class LakeSettings(_Table):
    """Where the originals are kept."""

    url: str = Field("", description="A folder, or `s3://bucket/prefix`; empty: `lake` in hub.data.")
    keep_days: int | None = Field(
        None, ge=0, description="Drop superseded versions after so many days; the newest of each item always stays."
    )
    options: dict[str, str] = Field(
        default_factory=dict,
        description="Object-store options (region, endpoint, …); values may be secret references.",
    )


class IndexSettings(_Table):
    """Where the index is kept."""

    url: str = Field("", description="A folder, or `s3://bucket/prefix`; empty: `index` in hub.data.")
    options: dict[str, str] = Field(
        default_factory=dict, description="Object-store options; values may be secret references."
    )


class OidcSettings(_Table):
    """Signing in with an OpenID Connect provider."""

    issuer: str = Field("", description="Its issuer URL, as tokens name it; empty: nobody signs in this way.")
    audience: tuple[str, ...] = Field((), description="What `aud` of a token must hold one of; `client_id` if empty.")
    client_id: str = Field("", description="This hub's client id: what the page signs in with.")
    client_secret: str = Field("", description="Secret reference, for a confidential client.")
    email_claim: str = Field("email", description="Where a token says the address.")
    require_verified_email: bool = Field(True, description="Believe an address only beside `email_verified: true`.")
    groups_claim: str = Field("groups", description="Where a token lists groups; `realm_access.roles` goes deeper.")


class AccessSettings(_Table):
    """Who asks, what they hold, and who may read what a source itself does not restrict."""

    readers: tuple[str, ...] = Field(("owner",), description="Principals that read sources which name no readers.")
    me: tuple[str, ...] = Field(("owner",), description="The principals of whoever uses the command line here.")
    admins: tuple[str, ...] = Field((), description="Addresses, and `group:NAME`s, of those who administer the hub.")
    public: bool = Field(False, description="Answer anybody, from what the sources themselves show to everyone.")
    people: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="Address ▸ further principals: accounts without an address, groups."
    )
    distrust_emails: tuple[str, ...] = Field((), description="Sources whose addresses prove nothing.")
    memberships_hours: float = Field(1, gt=0, description="How often people and memberships are read while serving.")
    max_age_hours: float = Field(24, gt=0, description="Memberships older than this grant nothing.")


class ServerSettings(_Table):
    """What `knowhub serve` listens on, and how much it takes."""

    host: str = Field("127.0.0.1", description="Where to listen.")
    port: int = Field(8765, ge=0, le=65535, description="0 takes a free one.")
    allowed_hosts: tuple[str, ...] = Field((), description="Names it answers to besides those of this machine.")
    local_owner: bool = Field(True, description="On loopback, a browser or program of this machine is `access.me`.")
    requests_per_minute: int = Field(120, ge=1, description="Of one key or person.")
    concurrent_queries: int = Field(0, ge=0, description="Answered at once; 0: one a core.")
    waiting_queries: int = Field(64, ge=0, description="So many wait; more are told to come back.")
    concurrent_streams: int = Field(4, ge=1, description="Of one key or person.")
    max_body_bytes: int = Field(262_144, ge=1024, description="A larger request is refused.")
    cache_entries: int = Field(512, ge=0, description="Answers kept, each for whoever asked; 0: none.")
    cache_seconds: float = Field(300, ge=0, description="How long.")


class ScheduleSettings(_Table):
    """When `knowhub serve` syncs."""

    every_minutes: float = Field(60, gt=0, description="Each source, counted from the end of its last run.")
    sources: dict[str, float] = Field(default_factory=dict, description="Source ▸ minutes, where they differ.")


class AnswerSettings(_Table):
    """What becomes of questions and answers."""

    unsupported: typing.Literal["remove", "mark"] = Field(
        "remove", description="What happens to a generated sentence that stands in no source."
    )
    keep_days: int = Field(30, ge=0, description="How long questions, feedback and the audit trail are kept.")
    feedback: Path = Field(Path("feedback.toml"), description="The evaluation file that feedback is written to.")


class LanguageSettings(_Table):
    """The language model that writes answers. Without one, answers are quotes."""

    provider: typing.Literal["", "bedrock", "anthropic", "openai"] = Field(
        "", description="`openai` also speaks to Ollama, vLLM and llama.cpp; empty: no model."
    )
    model: str = Field("", description="The provider's id of the model.")
    key: str = Field("", description="Secret reference; Bedrock uses AWS credentials instead.")
    base_url: str = Field("", description="Another server of the provider's kind.")
    region: str = Field("", description="For Bedrock.")
    max_tokens: int = Field(1024, ge=64, description="The longest answer.")
    timeout_s: float = Field(60, gt=0, description="Longest silence of the model.")


class RerankingSettings(_Table):
    """A second look at the best passages."""

    provider: typing.Literal["", "cohere", "voyage", "bedrock", "local"] = Field("", description="Empty: none.")
    model: str = Field("", description="The provider's id of the model; for `local` a folder with `model.onnx`.")
    key: str = Field("", description="Secret reference; Bedrock uses AWS credentials instead.")
    base_url: str = Field("", description="Another server of the provider's kind.")
    region: str = Field("", description="For Bedrock.")
    candidates: int = Field(40, ge=2, le=200, description="How many passages are looked at again.")


class EmbeddingSettings(_Table):
    """How text becomes vectors."""

    model: str = Field(
        "all-MiniLM-L6-v2",
        description="`all-MiniLM-L6-v2`, or a folder with `model.onnx` and `tokenizer.json` of another encoder.",
    )
    models: Path = Field(Path("~/.cache/knowhub/models"), description="Where weights and compiled models are kept.")
    pooling: typing.Literal["mean", "cls"] = Field("mean", description="How another encoder pools its tokens.")
    max_tokens: int = Field(256, ge=8, description="What another encoder reads of a text, in tokens.")
    query_prefix: str = Field("", description="What another encoder wants to see before a question.")
    document_prefix: str = Field("", description="What another encoder wants to see before a document.")


class SearchSettings(_Table):
    """How hits are ranked."""

    recency_half_life_days: float = Field(180, gt=0, description="Age at which the recency prior has halved.")
    recency_weight: float = Field(
        0.03, ge=0, le=1, description="How much of the ranking is recency; 0 switches it off."
    )
    candidates: int = Field(20, ge=1, le=200, description="How many chunks an answer is looked for in.")


class SyncSettings(_Table):
    """How carefully sources are read."""

    delete_share: float = Field(0.3, ge=0, le=1, description="More of a source than this gone at once waits for you.")
    delete_items: int = Field(10, ge=0, description="Up to so many deletions at once are never held back.")
    batch_records: int = Field(256, ge=1, description="Records in one batch of the lake.")
    batch_bytes: int = Field(4 * 1024 * 1024, ge=1024, description="Bytes of records in one batch, before compression.")
    parse_timeout_s: float = Field(30, gt=0, description="What parsing one file may take.")
    parse_memory_mb: int = Field(1024, ge=128, description="What parsing one file may use.")


class Settings(BaseSettings):
    """A whole `knowhub.toml`. `sources` and `chunking` are checked against the options of what they configure."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix="KNOWHUB_", env_nested_delimiter="__", case_sensitive=False
    )

    hub: HubSettings = HubSettings()
    lake: LakeSettings = LakeSettings()
    index: IndexSettings = IndexSettings()
    access: AccessSettings = AccessSettings()
    oidc: OidcSettings = OidcSettings()
    embedding: EmbeddingSettings = EmbeddingSettings()
    search: SearchSettings = SearchSettings()
    reranking: RerankingSettings = RerankingSettings()
    language: LanguageSettings = LanguageSettings()
    answers: AnswerSettings = AnswerSettings()
    sync: SyncSettings = SyncSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    server: ServerSettings = ServerSettings()
    chunking: dict[str, Any] = Field(default_factory=dict)
    sources: dict[str, dict[str, Any]] = Field(default_factory=dict)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003  # the signature is pydantic's
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return env_settings, init_settings


@dataclasses.dataclass(frozen=True, slots=True)
class Configuration:
    """Settings and the folder that their relative paths start from."""

    settings: Settings
    file: Path

    @property
    def folder(self) -> Path:
        return self.file.parent

    def path(self, path: Path) -> Path:
        """Absolute; relative ones start from the configuration's folder, `~` is the home folder."""
        expanded = path.expanduser()
        return expanded if expanded.is_absolute() else self.folder / expanded

    @property
    def data(self) -> Path:
        return self.path(self.settings.hub.data)

    def place(self, url: str, default: str) -> str:
        """A configured folder or URL, or `default` in the data folder."""
        if not url:
            return str(self.data / default)
        return url if "://" in url or url == "memory:" else str(self.path(Path(url)))

    def secret(self, key: str, reference: str) -> Secret:
        return resolve(reference, key=f"{self.file.name}: {key}", folder=self.folder)

    def options(self, key: str, kind: type[Options], table: Mapping[str, Any]) -> Options:
        """`table` as a frozen options dataclass: unknown keys, bad values and missing secrets are one line each."""
        hints = typing.get_type_hints(kind)
        known = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]  # kind is a dataclass
        for name in table.keys() - known:
            raise ConfigurationError(f"{self.file.name}: {key}.{name}: unknown key{_meant(name, known)}")
        values = dict(table)
        for name, value in table.items():
            if hints[name] in (Secret, Secret | None) and isinstance(value, str):
                values[name] = self.secret(f"{key}.{name}", value)
        adapter = TypeAdapter(kind, config=None)
        try:
            made = adapter.validate_python(values)
        except ValidationError as error:
            raise ConfigurationError(_sentence(self.file, error, key)) from error
        paths = {name: self.path(value) for name, value in _paths(made)}
        return dataclasses.replace(made, **paths) if paths else made  # type: ignore[type-var]


def _paths(options: Any) -> Iterable[tuple[str, Path]]:
    values = ((field.name, getattr(options, field.name)) for field in dataclasses.fields(options))
    return ((name, value) for name, value in values if isinstance(value, Path))


def find_file(start: Path) -> Path:
    """The nearest `knowhub.toml` at or above `start`. Raises ConfigurationError."""
    for folder in (start, *start.parents):
        if (folder / FILE_NAME).is_file():
            return folder / FILE_NAME
    raise ConfigurationError(
        f"there is no {FILE_NAME} in {start} or above it", cure="Run `knowhub init` here, or name one with --config."
    )


def default(folder: Path) -> Configuration:
    """What holds where there is no `knowhub.toml`, for commands that need no source."""
    return Configuration(_checked(folder / FILE_NAME, {}), folder / FILE_NAME)


def load(file: Path) -> Configuration:
    """Read and check a configuration. Raises ConfigurationError with one line for the first mistake."""
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{file.name} is not valid TOML: {error}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file} cannot be read: {error}", cure="Name another file with --config.") from error
    settings = _checked(file, table)
    for name in settings.sources:
        _require_name(file, name)
    return Configuration(settings, file.resolve())


def _checked(file: Path, table: Mapping[str, Any]) -> Settings:
    try:
        return Settings(**table)
    except ValidationError as error:
        raise ConfigurationError(_sentence(file, error)) from error
    except SettingsError as error:
        raise ConfigurationError(
            f"the environment: {error}", cure="KNOWHUB_LAKE__KEEP_DAYS=30 sets lake.keep_days; a whole table is JSON."
        ) from error


RESERVED = frozenset({"anyone", "group", "key", "owner", "user"})
"""What principals begin with that no source grants: a source of such a name could make anybody anything."""


def is_source_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None and name not in RESERVED


def _require_name(file: Path, name: str) -> None:
    if not is_source_name(name):
        raise ConfigurationError(
            f"{file.name}: sources.{name}: not a source name",
            cure=f"Use lower-case letters, digits, - and _, and none of {', '.join(sorted(RESERVED))}.",
        )


def _sentence(file: Path, error: ValidationError, key: str = "") -> str:
    """The first mistake. Values are shown only where they cannot be secrets: never."""
    first = error.errors(include_url=False, include_input=False)[0]
    path = ".".join([*([key] if key else []), *(str(part) for part in first["loc"])])
    if first["type"] == "extra_forbidden":
        return f"{file.name}: {path}: unknown key{_meant(str(first['loc'][-1]), _siblings(first['loc']))}"
    message = first["msg"][:1].lower() + first["msg"][1:]
    return f"{file.name}: {path}: {message}"


def _siblings(location: tuple[int | str, ...]) -> set[str]:
    model: Any = Settings
    for part in location[:-1]:
        model = model.model_fields[str(part)].annotation
    return set(model.model_fields)


def _meant(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, sorted(known), n=1)
    return f" (did you mean {close[0]}?)" if close else ""
