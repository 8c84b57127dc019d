"""Builds the demo company's binary files from the text beside this script; needs only Python and git.

    slack/*.md            ─▶ slack-export.zip
    office/*.md, *.csv    ─▶ handbook/contracts/*.docx, handbook/products/*.pdf, *.xlsx
    product/history/      ─▶ product.bundle

The same text gives the same bytes: dates are fixed and entries sorted. The results are committed, so that
nobody has to run this; run it after editing a text: `python examples/demo/build.py [FOLDER]`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from builders import pdf, repository, slack, spreadsheet, word

HERE = Path(__file__).resolve().parent
OFFICE = HERE / "office"


def build(into: Path) -> None:
    """Write every binary below `into`, under the path that it has in the demo company."""
    files = {
        "handbook/contracts/supplier-terms.docx": word.document((OFFICE / "supplier-terms.md").read_text("utf-8")),
        "handbook/products/petrel-300-datasheet.pdf": pdf.document(
            (OFFICE / "petrel-300-datasheet.md").read_text("utf-8")
        ),
        "handbook/products/price-list.xlsx": spreadsheet.workbook(
            {"Price list": OFFICE / "price-list.csv", "Spare parts": OFFICE / "spare-parts.csv"}
        ),
        "slack-export.zip": slack.export(HERE / "slack"),
        "product.bundle": repository.bundle(HERE / "product"),
    }
    for name, content in files.items():
        path = into / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


if __name__ == "__main__":
    build(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
