"""What `make demo` runs: sync the demo company, ask its five questions, say what to type next."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

from knowhub.entrypoints.cli.main import NOTHING_FOUND, run

HERE = Path(__file__).parent
NEXT = """
That was Brinewick Instruments, a company that does not exist. Yours does; type next:

    . .venv/bin/activate
    knowhub --config examples/demo/knowhub.toml serve        the same in a browser
    knowhub --config examples/demo/knowhub.toml status       what is there, what is searchable, what is missing
    mkdir ~/hub && cd ~/hub
    knowhub init ~/Documents                                 your own: any folders, Git repositories, Slack export ZIPs
    knowhub sync
    knowhub ask "…"
"""


def main() -> int:
    """Exit code 1 if a question has not the answer that it should have."""
    questions = tomllib.loads((HERE / "questions.toml").read_text(encoding="utf-8"))["question"]
    wrong = knowhub("sync")
    for question in questions:
        if question.get("demo"):
            wanted = 0 if question["answer"] else NOTHING_FOUND
            wrong |= knowhub("ask", question["text"]) != wanted
    sys.stdout.write(NEXT)
    return int(bool(wrong))


def knowhub(*words: str) -> int:
    """Run one command line in this process, so that libraries are loaded once; return its exit code."""
    shown = " ".join(f'"{word}"' if " " in word else word for word in words)
    sys.stdout.write(f"\n\033[1m$ knowhub {shown}\033[0m\n" if sys.stdout.isatty() else f"\n$ knowhub {shown}\n")
    sys.stdout.flush()
    return run(["--config", str(HERE / "knowhub.toml"), *words])


if __name__ == "__main__":
    sys.exit(main())
