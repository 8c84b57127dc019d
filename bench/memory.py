"""Peak memory of `knowhub sync` over 5,000 and over 50,000 documents.

Pages are short, one section of some 400 characters and one chunk each, so that the real model gets through 50,000 of
them in minutes; memory that grew with the number of documents would show just the same.
"""

from __future__ import annotations

from dataclasses import asdict

from bench import documents
from bench.hub import Hub
from bench.process import Spent
from bench.rows import Found, Row, Setting, at_most

COUNTS = (5_000, 50_000)
GROWTH = 1.2
LIMIT_MIB = 1024


def measure(setting: Setting) -> Found:
    rows: list[Row] = []
    few, many = (max(50, round(count * setting.scale)) for count in COUNTS)
    taken = {count: _sync(setting, count) for count in (few, many)}
    growth = taken[many].peak_mib / taken[few].peak_mib
    note = f" ({taken[few].peak_mib:.0f} MiB to {taken[many].peak_mib:.0f} MiB, short pages)"
    rows.append(at_most(f"memory, {many:,} documents against {few:,}", growth, GROWTH, unit="x", note=note))
    rows.append(at_most(f"memory, {many:,} documents", taken[many].peak_mib, LIMIT_MIB, unit=" MiB"))
    figures = {str(count): {k: v for k, v in asdict(spent).items() if k != "output"} for count, spent in taken.items()}
    return Found(rows, figures)


def _sync(setting: Setting, count: int) -> Spent:
    folder = setting.work / "memory" / f"documents-{count}"
    documents.write(folder, count, short=True)
    return Hub.over(folder, setting.work / "memory" / f"hub-{count}", setting.models).sync()
