"""One sync of a folder with CocoIndex, as its LanceDB example does it.

    python cocoindex_sync.py FOLDER STATE MODEL

One component a file, memoised by the file's fingerprint; pieces of 1,000 characters, 200 of them shared.
"""

# mypy: disable-error-code="import-not-found, untyped-decorator"
# What it imports is installed in the peers' own environment, where nothing is type-checked.

import json
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cocoindex as coco
import numpy as np
from cocoindex.connectors import lancedb, localfs
from cocoindex.ops.sentence_transformers import SentenceTransformerEmbedder
from cocoindex.ops.text import RecursiveSplitter
from cocoindex.resources.chunk import Chunk
from cocoindex.resources.file import FileLike, PatternFilePathMatcher
from numpy.typing import NDArray

FOLDER, STATE, MODEL = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
DATABASE = coco.ContextKey[lancedb.LanceAsyncConnection]("bench_database")
EMBEDDER = SentenceTransformerEmbedder(MODEL, device="cpu")
SPLITTER = RecursiveSplitter()
EMBEDDED = 0


@dataclass
class Piece:
    id: str
    filename: str
    text: str
    embedding: Annotated[NDArray[np.float32], EMBEDDER]


@coco.lifespan
async def lifespan(builder: coco.EnvironmentBuilder) -> AsyncIterator[None]:
    builder.settings.db_path = STATE / "cocoindex.db"
    builder.provide(DATABASE, await lancedb.connect_async(str(STATE / "lancedb")))
    yield


@coco.fn
async def take_piece(piece: Chunk, filename: str, table: lancedb.TableTarget[Piece]) -> None:
    global EMBEDDED
    EMBEDDED += 1
    vector = await EMBEDDER.embed(piece.text)
    table.declare_row(row=Piece(f"{filename}:{piece.start.char_offset}", filename, piece.text, vector))


@coco.fn(memo=True)
async def take_file(file: FileLike, table: lancedb.TableTarget[Piece]) -> None:
    pieces = SPLITTER.split(await file.read_text(), chunk_size=1000, chunk_overlap=200, language="markdown")
    await coco.map(take_piece, pieces, file.file_path.path.as_posix(), table)


@coco.fn
async def take_folder(folder: Path) -> None:
    schema = await lancedb.TableSchema.from_class(Piece, primary_key=["id"])
    table = await lancedb.mount_table_target(DATABASE, "pieces", schema)
    files = localfs.walk_dir(folder, recursive=True, path_matcher=PatternFilePathMatcher(included_patterns=["**/*.md"]))
    await coco.mount_each(take_file, files.items(), table)


if __name__ == "__main__":
    STATE.mkdir(parents=True, exist_ok=True)
    coco.App(coco.AppConfig(name="Bench"), take_folder, folder=FOLDER).update_blocking()
    print(json.dumps({"embedded": EMBEDDED}))
