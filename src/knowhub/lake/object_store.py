"""The lake on a local folder, in memory, or on any S3-compatible store: one library, the same code.

Objects are written to a temporary name and moved into place (local) or put in one request (S3), so that a key
is there whole or not at all. Source of the library: https://developmentseed.org/obstore/
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from knowhub.core.errors import AccessDenied, ConfigurationError, NotFound, TransientError
from knowhub.core.types import ObjectKey

if TYPE_CHECKING:
    from obstore.store import ObjectStore as Store


_CLIENT_OPTIONS = frozenset({"allow_http", "allow_invalid_certificates", "connect_timeout", "proxy_url", "timeout"})
"""Options of the HTTP client; all others are the store's (`region`, `endpoint`, `access_key_id`, …)."""


class ObjectStoreLake:
    """Implements `Lake`. `url` is a folder's path, `s3://bucket/prefix`, or `memory:`."""

    def __init__(self, url: str, options: Mapping[str, str] | None = None) -> None:
        self.url = url
        self._options = dict(options or {})
        self._store: Store | None = None
        self._local = url != "memory:" and "://" not in url

    def put(self, key: ObjectKey, data: bytes) -> None:
        with _translated("write", key):
            self._opened().put(key, data)
        self._remove_partial(key)

    def get(self, key: ObjectKey) -> bytes:
        with _translated("read", key):
            return bytes(self._opened().get(key).bytes())

    def list(self, prefix: str) -> Iterator[ObjectKey]:
        with _translated("list", prefix):
            keys = [ObjectKey(entry["path"]) for page in self._opened().list(prefix.rstrip("/")) for entry in page]
        yield from sorted(key for key in keys if key.startswith(prefix))

    def delete(self, keys: Sequence[ObjectKey]) -> None:
        for key in keys:
            try:
                with _translated("delete", key):
                    self._opened().delete(key)
            except NotFound:
                pass
            self._remove_partial(key)

    def _remove_partial(self, key: ObjectKey) -> None:
        """What a killed `put` left beside its destination: `{key}#1`, `{key}#2`, …, which no listing shows."""
        if not self._local:
            return
        path = Path(self.url) / key
        number = 1
        while (partial := path.with_name(f"{path.name}#{number}")).exists():
            partial.unlink(missing_ok=True)
            number += 1

    def _opened(self) -> Store:
        if self._store is None:
            self._store = _open(self.url, self._options)
        return self._store


def _open(url: str, options: dict[str, str]) -> Store:
    from obstore.store import LocalStore, MemoryStore, from_url

    if url == "memory:":
        return MemoryStore()
    if "://" not in url:
        try:
            return LocalStore(prefix=Path(url), mkdir=True)
        except Exception as error:  # obstore raises its own classes and bare OSErrors for a folder it cannot make
            raise AccessDenied(f"the lake folder {url} cannot be used: {error}") from error
    client = {name: options[name] for name in _CLIENT_OPTIONS & options.keys()}
    store = {name: value for name, value in options.items() if name not in client}
    any_store: Callable[..., Store] = from_url  # its overloads want to know which store the options are for
    try:
        return any_store(url, client_options=client, **store)
    except Exception as error:  # a wrong option is a different class per backend
        raise ConfigurationError(f"lake.url {url!r} cannot be opened: {error}") from error


@contextmanager
def _translated(verb: str, key: str) -> Iterator[None]:
    from obstore.exceptions import BaseError, NotFoundError, PermissionDeniedError, UnauthenticatedError

    try:
        yield
    except (NotFoundError, FileNotFoundError) as error:
        raise NotFound(f"the lake has no object {key}") from error
    except (PermissionDeniedError, UnauthenticatedError, PermissionError) as error:
        raise AccessDenied(
            f"the lake refuses to {verb} {key}", cure="Check its credentials and permissions."
        ) from error
    except (BaseError, OSError) as error:
        raise TransientError(f"the lake could not {verb} {key}: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
