"""One sync of a folder with LangChain, as its page on indexing tells.

    python langchain_sync.py FOLDER STATE MODEL

index() with a SQLRecordManager and incremental clean-up into Chroma; pieces of 1,000 characters, 200 of them shared,
as in its tutorials.
"""

# mypy: disable-error-code="import-not-found, untyped-decorator"
# What it imports is installed in the peers' own environment, where nothing is type-checked.

import json
import sys
from pathlib import Path

from langchain_chroma import Chroma
from langchain_classic.indexes import SQLRecordManager, index
from langchain_community.document_loaders import DirectoryLoader, TextLoader
from langchain_huggingface import HuggingFaceEmbeddings
from langchain_text_splitters import RecursiveCharacterTextSplitter


def main(folder: str, state: Path, model: str) -> None:
    state.mkdir(parents=True, exist_ok=True)
    embeddings = HuggingFaceEmbeddings(model_name=model, model_kwargs={"device": "cpu"})
    store = Chroma("documents", embeddings, persist_directory=str(state / "chroma"))
    records = SQLRecordManager("chroma/documents", db_url=f"sqlite:///{state / 'records.sql'}")
    records.create_schema()
    loader = DirectoryLoader(folder, glob="**/*.md", loader_cls=TextLoader)
    pieces = RecursiveCharacterTextSplitter(chunk_size=1000, chunk_overlap=200).split_documents(loader.load())
    done = index(pieces, records, store, cleanup="incremental", source_id_key="source", key_encoder="sha256")
    print(json.dumps({"embedded": done["num_added"] + done["num_updated"], "chunks": len(pieces), **done}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
