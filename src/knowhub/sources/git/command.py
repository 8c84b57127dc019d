"""The `git` command line, kept from asking, running hooks, reading a person's configuration or waiting for ever.

Only commands that talk to a remote see the person's git configuration: proxies, certificates and credential
helpers are theirs to set. No password is ever on a command line, in a message or in the mirror.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urlsplit

from knowhub.core.errors import (
    AccessDenied,
    ConfigurationError,
    KnowhubError,
    MissingExtra,
    NotFound,
    PermanentError,
    TransientError,
)

_TRANSPORTS = ("file", "git", "http", "https", "ssh")
_SCP = re.compile(r"(?:[^/@:]+@)?[^/:@]+:(?!//)")
_KEPT = ("GIT_SSH", "GIT_SSH_COMMAND", "GIT_SSL_CAINFO", "GIT_SSL_NO_VERIFY", "GIT_PROXY_COMMAND")
_HELPER = (
    '!f() { test "$1" = get && printf "username=%s\\npassword=%s\\n" "$KNOWHUB_GIT_USER" "$KNOWHUB_GIT_PASSWORD"; }; f'
)
_SAFE = (
    *("-c", "protocol.ext.allow=never", "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false"),
    *("-c", "core.quotePath=false", "-c", "gc.autoDetach=false", "-c", "maintenance.autoDetach=false"),
    *("-c", "safe.directory=*", "-c", "log.showRoot=true", "-c", "submodule.recurse=false"),
    # A server that stalls is given up after a minute.
    *("-c", "http.lowSpeedLimit=1", "-c", "http.lowSpeedTime=60"),
)


@dataclass(frozen=True, slots=True)
class Remote:
    """Where a repository is: `address` without credentials, and the credentials of http(s)."""

    address: str
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @classmethod
    def of(cls, url: str) -> Remote:
        """From a URL, `user@host:path`, a folder or a bundle file. Raises ConfigurationError, NotFound."""
        if not url or url.startswith("-") or re.search(r"[\0\r\n]", url) or re.match(r"[\w+.-]+::", url):
            raise ConfigurationError(f"{redact(url)!r} is no address of a repository")
        if "://" in url:
            return cls._of_url(url)
        if _SCP.match(url) and not Path(url).exists():
            return cls(url)
        path = Path(url).expanduser().absolute()
        if not path.exists():
            raise NotFound(f"{path} does not exist", cure="Is the volume mounted, and the path right?")
        return cls(str(path))

    @classmethod
    def _of_url(cls, url: str) -> Remote:
        try:
            parts = urlsplit(url)
            _ = parts.port
        except ValueError as error:
            # Not shown: a password with an unquoted / or # in it looks like this.
            raise ConfigurationError("the repository's URL is malformed", cure="Quote special characters.") from error
        host, user, password = parts.netloc.rpartition("@")[2], parts.username or "", parts.password or ""
        if parts.scheme not in _TRANSPORTS:
            raise ConfigurationError(
                f"{redact(url)!r}: git is not used over {parts.scheme!r}", cure=f"Use one of {', '.join(_TRANSPORTS)}."
            )
        if parts.scheme in ("http", "https"):
            return cls(parts._replace(netloc=host).geturl(), unquote(user), unquote(password))
        kept = f"{user}@{host}" if user else host
        return cls(parts._replace(netloc=kept).geturl() if host else url)


def redact(text: str) -> str:
    """Without what stands between `//` and `@` in URLs."""
    return re.sub(r"://[^/\s'\"]*@", "://***@", text)


class Git:
    """Runs git in `folder` (a bare repository, or the place for one), on behalf of one remote."""

    def __init__(self, folder: Path, remote: Remote, *, timeout_s: float) -> None:
        self.folder = folder
        self._remote = remote
        self._timeout_s = timeout_s

    def run(self, *arguments: str, input: bytes = b"") -> bytes:
        """What git prints, without the network. Raises PermanentError with what git says is wrong."""
        return self._run(arguments, input, self._environment())

    def talk(self, *arguments: str) -> bytes:
        """The same for a command that asks the remote. Raises TransientError, AccessDenied, NotFound as well."""
        return self._run((*self._credential_options(), *arguments), b"", self._network_environment())

    @contextmanager
    def stream(self, *arguments: str) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
        """Git's stdin and stdout while it runs; it is ended on leaving."""
        process = _start(self._command(arguments), self._environment(), subprocess.DEVNULL)
        stdin, stdout = process.stdin, process.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            yield stdin, stdout
        finally:
            _kill(process)
            stdout.close()
            with suppress(BrokenPipeError):
                stdin.close()

    def _command(self, arguments: Sequence[str]) -> list[str]:
        return ["git", *_SAFE, f"--git-dir={self.folder}", *arguments]

    def _run(self, arguments: Sequence[str], input: bytes, environment: dict[str, str]) -> bytes:
        process = _start(self._command(arguments), environment, subprocess.PIPE)
        with process:
            try:
                output, errors = process.communicate(input, timeout=self._timeout_s)
            except subprocess.TimeoutExpired as error:
                message = f"{redact(self._remote.address)}: git did not finish within {self._timeout_s:.0f} s"
                raise TransientError(message) from error
            finally:
                _kill(process)
        if process.returncode:
            raise self._error(errors.decode("utf-8", "replace"))
        return output

    def _error(self, said: str) -> KnowhubError:
        for secret in (self._remote.password, self._remote.user):
            said = said.replace(secret, "***") if len(secret) > 3 else said
        lines = [line for line in redact(said).splitlines() if line.strip() and not line.startswith("hint:")]
        told = next((line for line in lines if line.startswith(("fatal:", "error:", "ERROR:"))), "\n".join(lines[-1:]))
        message = f"{redact(self._remote.address)}: {told.partition(': ')[2] or told}"
        meant = said.replace(self._remote.address, "")  # whatever words are in its name
        for pattern, kind, cure in _MEANINGS:
            if re.search(pattern, meant, re.IGNORECASE):
                return kind(message, cure=cure)
        return PermanentError(message)

    def _environment(self) -> dict[str, str]:
        return _bare_environment() | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}

    def _network_environment(self) -> dict[str, str]:
        return _bare_environment() | {
            "GIT_CONFIG_GLOBAL": str(self._network_config()),
            "KNOWHUB_GIT_USER": self._remote.user,
            "KNOWHUB_GIT_PASSWORD": self._remote.password,
        }

    def _network_config(self) -> Path:
        """A file, because git keeps `-c` from the process that serves a local folder, which checks safe.directory."""
        config = self.folder.parent / "network.gitconfig"
        theirs = os.environ.get("GIT_CONFIG_GLOBAL")
        included = [theirs] if theirs else ["~/.config/git/config", "~/.gitconfig"]
        safe = [self._remote.address, f"{self._remote.address}/.git"] if self._remote.address.startswith("/") else []
        text = "[core]\n\tsshCommand = ssh -oBatchMode=yes -oConnectTimeout=30\n"  # before theirs, which wins
        text += "".join(f"[include]\n\tpath = {_quoted(path)}\n" for path in included)
        text += "".join(f"[safe]\n\tdirectory = {_quoted(path)}\n" for path in safe)
        try:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            config.write_text(text, encoding="utf-8")
        except OSError as error:
            raise ConfigurationError(f"{config.parent} cannot be written: {error.strerror}") from error
        return config

    def _credential_options(self) -> tuple[str, ...]:
        if not (self._remote.user or self._remote.password):
            return ()
        parts = urlsplit(self._remote.address)
        # For this host only: a redirect elsewhere must not carry the password along.
        scope = f"credential.{parts.scheme}://{parts.netloc}"
        return ("-c", "credential.helper=", "-c", f"{scope}.helper={_HELPER}")


_MEANINGS: tuple[tuple[str, type[KnowhubError], str], ...] = (
    (
        r"authentication failed|could not read (username|password)|permission denied|access denied|terminal prompts"
        r"|error: 40[13]|invalid credentials|dubious ownership",
        AccessDenied,
        "Give knowhub credentials that may read this repository.",
    ),
    (
        r"could not resolve|timed? ?out|connection|connect to|early eof|rpc failed|error: (429|5\d\d)|hung up"
        r"|network is unreach|temporarily|unexpected disconnect|no space left|low speed",
        TransientError,
        "",
    ),
    (
        r"not found|does not exist|does not appear to be a git|no such|not a git repository|bundle",
        NotFound,
        "Check the address of the repository.",
    ),
)


def _start(command: list[str], environment: dict[str, str], errors: int) -> subprocess.Popen[bytes]:
    try:
        # A session of its own, so that a time limit ends git's children as well.
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise MissingExtra("the program git is not installed", cure="Install git.") from error


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _bare_environment() -> dict[str, str]:
    """What git needs of ours (PATH, HOME, proxies, an ssh agent), without another repository's GIT_DIR and the like."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("GIT_") or key in _KEPT}
    return kept | {
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "",
        "SSH_ASKPASS": "",
        "GCM_INTERACTIVE": "never",
        "GIT_ALLOW_PROTOCOL": ":".join(_TRANSPORTS),
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_ATTR_NOSYSTEM": "1",
        "LC_ALL": "C",
    }


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
