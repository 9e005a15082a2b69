"""Runs the ensemble's members with ONNX Runtime or OpenVINO, on one thread."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

OUTPUTS = ("logits", "features", "cam_weights")
# Logits 2, features channels x rows x columns, and weights of the features 2 x channels.
Answer = tuple[np.ndarray, np.ndarray, np.ndarray]
Member = Callable[[np.ndarray], Answer]


def onnxruntime_members(paths: list[Path], precision: str) -> tuple[list[Member], str]:
    """Open members with ONNX Runtime; return them and the library's version."""
    import onnxruntime

    if precision != "f32":
        raise SystemExit("ONNX Runtime computes in f32 here")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1

    def member(path: Path) -> Member:
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        return lambda tile: tuple(array[0] for array in session.run(OUTPUTS, {"tile": tile}))

    return [member(path) for path in paths], f"ONNX Runtime {onnxruntime.__version__}"


def openvino_members(paths: list[Path], precision: str) -> tuple[list[Member], str]:
    """Open members with OpenVINO; return them and the library's version."""
    import openvino

    core = openvino.Core()
    settings = {
        "INFERENCE_NUM_THREADS": 1,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": precision,
    }

    def member(path: Path) -> Member:
        compiled = core.compile_model(str(path), "CPU", settings)
        request = compiled.create_infer_request()

        def run(tile: np.ndarray) -> Answer:
            request.infer({"tile": tile})
            return tuple(request.get_tensor(name).data[0].copy() for name in OUTPUTS)

        return run

    version = openvino.__version__.split("-")[0]
    return [member(path) for path in paths], f"OpenVINO {version}"


ENGINES = {"onnxruntime": onnxruntime_members, "openvino": openvino_members}
