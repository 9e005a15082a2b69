"""Record what TensorFlow Lite makes of a photograph with the published MobileNetV1.

Writes `mobilenet_v1_reference.npz`: `pooled` 1×1024, the file's own output for the photograph of
`recipe.pretrained`. Needs `tflite-runtime==2.14.0`, which the recipe does not: install it into
another environment, or beside this one with `pip install --no-deps --target FOLDER` and
PYTHONPATH.
"""

import numpy as np

from . import npz
from .mobilenet_v1 import REFERENCE, published_file
from .pretrained import photograph


def main() -> None:
    """Run the interpreter once and write its output."""
    from tflite_runtime.interpreter import Interpreter

    interpreter = Interpreter(str(published_file()))
    interpreter.allocate_tensors()
    (source,), (sink,) = interpreter.get_input_details(), interpreter.get_output_details()
    pixels = np.round(photograph() * 255).astype(np.uint8)
    interpreter.set_tensor(source["index"], pixels[None])
    interpreter.invoke()
    scale, zero = sink["quantization"]
    pooled = scale * (interpreter.get_tensor(sink["index"]).astype(np.float32) - zero)
    npz.write(REFERENCE, {"pooled": pooled.reshape(1, -1)})
    print(f"{REFERENCE.name}: {pooled.size} features, {(pooled > 0).sum()} of them active")


if __name__ == "__main__":
    main()
