"""The model's published files as a folder that sentence-transformers reads, and proof that it is the same model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np

from bench.process import run
from knowhub.embedding.minilm import MiniLm
from knowhub.embedding.openvino import OpenVinoEmbedder
from knowhub.embedding.weights import obtain

_BERT = {
    "architectures": ["BertModel"],
    "model_type": "bert",
    "hidden_size": 384,
    "num_hidden_layers": 6,
    "num_attention_heads": 12,
    "intermediate_size": 1536,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
    "vocab_size": 30522,
    "pad_token_id": 0,
    "torch_dtype": "float32",
}
_MODULES = [
    {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
    {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
]
_SETTINGS = {
    "config.json": _BERT,
    "modules.json": _MODULES,
    "sentence_bert_config.json": {"max_seq_length": 256, "do_lower_case": False},
    "tokenizer_config.json": {
        "tokenizer_class": "BertTokenizerFast",
        "do_lower_case": True,
        "model_max_length": 256,
        "cls_token": "[CLS]",
        "sep_token": "[SEP]",
        "pad_token": "[PAD]",
        "unk_token": "[UNK]",
        "mask_token": "[MASK]",
    },
    "1_Pooling/config.json": {"word_embedding_dimension": 384, "pooling_mode_mean_tokens": True},
}
_TEXTS = ["How many days of vacation do I get?", "The office closes at six.", "La oficina cierra a las seis. " * 30]
_EMBED = """
import json, sys
from sentence_transformers import SentenceTransformer
model = SentenceTransformer(sys.argv[1], device="cpu")
print(json.dumps(model.encode(json.loads(sys.argv[2]), normalize_embeddings=True).tolist()))
"""
_SAME = 0.999


def write(models: Path, folder: Path) -> Path:
    """Obtain the weights into `models` and lay them out in `folder` with the settings that the hub has beside them."""
    files = obtain(models)
    for name, content in _SETTINGS.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content), encoding="utf-8")
    for file in (files.weights, files.tokenizer):
        shutil.copyfile(file, folder / file.name)
    return folder


def cosine(models: Path, folder: Path, peer_python: str) -> float:
    """The least cosine between our vectors and the peers' for a few texts. Raises SystemExit if it is another model."""
    theirs = np.array(json.loads(run([peer_python, "-c", _EMBED, str(folder), json.dumps(_TEXTS)]).output))
    ours = OpenVinoEmbedder(MiniLm(models), models).embed(_TEXTS, purpose="document")
    least = float((ours * theirs).sum(axis=1).min())
    if least < _SAME:
        raise SystemExit(f"the peers' model is not ours: cosine {least:.4f}")
    return least
