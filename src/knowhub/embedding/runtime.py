"""OpenVINO as the encoders use it: imported without its converter, graphs that share inputs and pooling,
and compiled models kept on disk.

    build() ──▶ IR with 16-bit weights ──▶ compiled for this processor ──▶ {key}.blob ──▶ mapped at every later start
"""

from __future__ import annotations

import hashlib
import logging
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

if TYPE_CHECKING:
    # Its stubs come without a py.typed file, so that all of these are Any.
    from openvino import CompiledModel as CompiledModel  # type: ignore[import-untyped]
    from openvino import Core as Core
    from openvino import InferRequest as InferRequest
    from openvino import Model as Model

log = logging.getLogger(__name__)

GRAPH_REVISION = 2
"""Raised with every change to how graphs are built, here or in an encoder: kept models of an older one are stale."""

Purpose = Literal["document", "query"]
Pooling = Literal["mean", "cls"]
Precision = Literal["bf16", "f16", "f32"]


def load_runtime() -> Any:
    """The `openvino` module.

    Its `__init__` also imports the model converter, which imports a client that reports usage to its maker.
    Neither is needed to run a model: the import of the converter is made to fail, which `__init__` allows for.
    """
    converter = "openvino.tools.ovc"
    if "openvino" not in sys.modules:
        modules = cast("dict[str, Any]", sys.modules)
        modules[converter] = None
        try:
            import openvino
        finally:
            del modules[converter]
    import openvino

    return openvino


# ── parts of graphs ──────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class TokenInputs:
    """`parameters`: ids (texts, tokens) and lengths (texts,), both int32. The rest is derived from them.

    `valid` is 1.0 for a token and 0.0 for padding, `bias` what is added to attention scores.
    """

    parameters: list[Any]
    ids: Any
    positions: Any
    valid: Any
    bias: Any


def constant(value: Any) -> Any:
    """Python integers become int32, arrays keep their type."""
    import numpy as np

    array = np.array(value, order="C") if isinstance(value, np.ndarray) else np.array(value, dtype=np.int32)
    return load_runtime().opset13.constant(array)


def token_inputs() -> TokenInputs:
    import numpy as np

    op = load_runtime().opset13
    ids = op.parameter([-1, -1], np.int32, name="ids")
    lengths = op.parameter([-1], np.int32, name="lengths")
    width = op.gather(op.shape_of(ids, output_type="i32"), constant(1), constant(0))
    positions = op.range(constant(0), width, constant(1), output_type="i32")
    inside = op.less(op.unsqueeze(positions, constant(0)), op.unsqueeze(lengths, constant(1)))
    valid = op.convert(inside, "f32")
    minus = op.multiply(op.subtract(constant(np.ones(1, np.float32)), valid), constant(np.full(1, -1e9, np.float32)))
    return TokenInputs([ids, lengths], ids, positions, valid, op.unsqueeze(minus, constant([1, 2])))


def pooled(state: Any, inputs: TokenInputs, pooling: Pooling) -> Any:
    """(texts, tokens, width) to (texts, width), rows of length 1."""
    op = load_runtime().opset13
    if pooling == "cls":
        vector = op.gather(state, constant(0), constant(1))
    else:
        # The sum points where the mean points, and only the direction survives the norm.
        vector = op.reduce_sum(op.multiply(state, op.unsqueeze(inputs.valid, constant(2))), constant([1]))
    return normalised(vector)


def normalised(vector: Any) -> Any:
    import numpy as np

    op = load_runtime().opset13
    return op.normalize_l2(vector, constant(np.array([1], dtype=np.int64)), 1e-24, "add")


# ── compiling ────────────────────────────────────────────────────────────────────────────────────────


def native_precision(core: Core) -> Precision:
    """The narrowest floating point type that this processor multiplies natively."""
    capabilities = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if "BF16" in capabilities:
        return "bf16"
    return "f16" if "FP16" in capabilities else "f32"


@dataclass(frozen=True, slots=True)
class Compiled:
    """`model` reads its weights from `memory` for as long as it lives: keep both."""

    model: CompiledModel
    memory: object = None


def compiled(
    build: Callable[[], Model], directory: Path, *, fingerprint: str, precision: Precision | None, workers: int
) -> Compiled:
    """The model that `build` makes, compiled once per runtime version, processor and `fingerprint`.

    `workers` requests run side by side, each on one thread. A kept file that the runtime refuses is replaced.
    """
    core = load_runtime().Core()
    chosen = precision or native_precision(core)
    config = {"INFERENCE_PRECISION_HINT": chosen, "NUM_STREAMS": workers, "INFERENCE_NUM_THREADS": workers}
    family = f"{fingerprint[:8]}-{chosen}"
    path = directory / f"{family}-{_key(core, fingerprint, chosen)}.blob"
    if path.is_file():
        try:
            return _import(core, path, config)
        except (RuntimeError, ValueError) as error:  # ValueError: an empty file cannot be mapped
            log.warning("compiled model refused, compiling again", extra={"path": str(path), "error": str(error)})
    ready = _compile(core, build(), path, config)
    for stale in directory.glob(f"{family}-*.blob"):
        if stale != path:
            stale.unlink(missing_ok=True)
    return Compiled(ready)


def _key(core: Core, fingerprint: str, precision: Precision) -> str:
    processor = core.get_property("CPU", "FULL_DEVICE_NAME")
    capabilities = ",".join(core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"))
    parts = "\n".join(
        (str(GRAPH_REVISION), fingerprint, precision, load_runtime().__version__, processor, capabilities)
    )
    return hashlib.sha256(parts.encode()).hexdigest()[:12]


def _import(core: Core, path: Path, config: dict[str, Any]) -> Compiled:
    import numpy as np

    mapped = load_runtime().Tensor(np.memmap(path, dtype=np.uint8, mode="c"), shared_memory=True)
    return Compiled(core.import_model(mapped, "CPU", config), mapped)


def _compile(core: Core, model: Model, path: Path, config: dict[str, Any]) -> CompiledModel:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=path.parent) as partial:
        ir = Path(partial) / "model.xml"
        load_runtime().save_model(model, ir, compress_to_fp16=True)
        ready = core.compile_model(ir, "CPU", config)
        blob = Path(partial) / path.name
        blob.write_bytes(_exported(ready))
        # Another process may have been faster; both wrote the same model.
        os.replace(blob, path)
    return cast("CompiledModel", ready)


def _exported(ready: CompiledModel) -> bytes:
    exported = ready.export_model()
    return exported if isinstance(exported, bytes) else exported.getvalue()
