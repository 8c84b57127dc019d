"""Secrets enter by reference only: `env:NAME`, `file:PATH`, `aws-secret:ID#field`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from knowhub.core.errors import ConfigurationError, MissingExtra
from knowhub.core.secret import Secret

SCHEMES = ("env:NAME", "file:PATH", "aws-secret:ID#field")


def resolve(reference: str, *, key: str, folder: Path, environment: Mapping[str, str] = os.environ) -> Secret:
    """The secret that `reference` names; `key` is its path in the configuration, for errors.

    Raises ConfigurationError when the reference has no known scheme or points at nothing; never shows the value.
    """
    scheme, separator, name = reference.partition(":")
    readers: dict[str, Callable[[], str | None]] = {
        "env": lambda: environment.get(name),
        "file": lambda: _read_file((folder / Path(name).expanduser()), key),
        "aws-secret": lambda: _read_aws(name, key),
    }
    if not separator or scheme not in readers:
        raise ConfigurationError(
            f"{key}: a secret must be a reference, not the secret itself", cure=f"Write one of {', '.join(SCHEMES)}."
        )
    value = readers[scheme]()
    if not value:
        raise ConfigurationError(f"{key}: {scheme}:{name} is not set", cure="Set it, or name another place.")
    return Secret(value)


def _read_file(path: Path, key: str) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ConfigurationError(f"{key}: the file {path} cannot be read: {reason}") from error


def _read_aws(name: str, key: str) -> str | None:
    try:
        import boto3  # an extra
    except ImportError as error:
        raise MissingExtra(f"{key}: aws-secret needs boto3", cure="Run `pip install boto3`.") from error
    identifier, _, field = name.partition("#")
    try:
        text = boto3.client("secretsmanager").get_secret_value(SecretId=identifier)["SecretString"]
        return str(json.loads(text)[field]) if field else str(text)
    except Exception as error:  # botocore makes its classes at run time
        raise ConfigurationError(f"{key}: aws-secret:{name} cannot be read: {type(error).__name__}") from error
