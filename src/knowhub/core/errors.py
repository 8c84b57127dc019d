"""What can go wrong, chosen by what the caller should do.

    KnowhubError
    ├── TransientError        try again later: the cause may pass by itself
    │   ├── RateLimited         wait `wait_s` seconds first
    │   ├── LeaseHeld           somebody else is at work on the same thing
    │   └── CursorMoved         another writer was faster: read again, then decide
    └── PermanentError        tell a person: the same call will fail again
        ├── ConfigurationError  knowhub.toml or the environment is wrong
        ├── MissingExtra        an optional package is not installed
        ├── AccessDenied        the source refuses: a scope, a role or a file permission is missing
        ├── UnreadableContent   these bytes cannot be parsed: encrypted, broken, hostile
        ├── CorruptObject       an object in the lake is not what was written
        ├── ModelChanged        the index was built by another embedding model
        └── NotFound            the thing named does not exist here

A message names the thing and the value; `cure` says in one sentence what to do.
"""

from __future__ import annotations


class KnowhubError(Exception):
    """Base of every error that knowhub raises on purpose."""

    def __init__(self, message: str, *, cure: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.cure = cure

    def __str__(self) -> str:
        return f"{self.message}. {self.cure}" if self.cure else self.message


class TransientError(KnowhubError):
    """The same call may succeed later."""


class RateLimited(TransientError):
    """The other side asks for patience."""

    def __init__(self, message: str, *, wait_s: float, cure: str = "") -> None:
        super().__init__(message, cure=cure)
        self.wait_s = wait_s


class LeaseHeld(TransientError):
    """Another process holds the lease on this piece of work."""


class CursorMoved(TransientError):
    """A compare-and-set failed: the stored revision is not the expected one."""


class PermanentError(KnowhubError):
    """The same call will fail again until a person changes something."""


class ConfigurationError(PermanentError):
    """The configuration cannot be used as it is."""


class MissingExtra(PermanentError):
    """A package that only this feature needs is not installed."""


class AccessDenied(PermanentError):
    """Credentials were understood and refused."""


class UnreadableContent(PermanentError):
    """The content was read whole and cannot be turned into a document."""


class CorruptObject(PermanentError):
    """A stored object does not decode."""


class ModelChanged(PermanentError):
    """Vectors of two models must not meet in one index."""


class NotFound(PermanentError):
    """No such document, source or object."""
