"""One sync of a folder with LlamaIndex, as its pages on document management tell.

    python llamaindex_sync.py FOLDER STATE MODEL

An IngestionPipeline with a document store for upserts and Chroma for vectors; pieces fit the model's 256 tokens.
"""

# mypy: disable-error-code="import-not-found, untyped-decorator"
# What it imports is installed in the peers' own environment, where nothing is type-checked.

import json
import sys
from pathlib import Path

import chromadb
from llama_index.core import SimpleDirectoryReader
from llama_index.core.ingestion import DocstoreStrategy, IngestionPipeline
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.embeddings.huggingface import HuggingFaceEmbedding
from llama_index.vector_stores.chroma import ChromaVectorStore


def main(folder: str, state: Path, model: str) -> None:
    kept = state / "pipeline"
    collection = chromadb.PersistentClient(str(state / "chroma")).get_or_create_collection("documents")
    pipeline = IngestionPipeline(
        transformations=[
            SentenceSplitter(chunk_size=256, chunk_overlap=20),
            HuggingFaceEmbedding(model_name=model, device="cpu", embed_batch_size=32),
        ],
        docstore=SimpleDocumentStore(),
        docstore_strategy=DocstoreStrategy.UPSERTS,
        vector_store=ChromaVectorStore(chroma_collection=collection),
    )
    if kept.is_dir():
        pipeline.load(str(kept))
    documents = SimpleDirectoryReader(folder, recursive=True, filename_as_id=True).load_data()
    nodes = pipeline.run(documents=documents)
    pipeline.persist(str(kept))
    print(json.dumps({"documents": len(documents), "embedded": len(nodes), "chunks": collection.count()}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
