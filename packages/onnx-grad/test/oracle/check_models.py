"""Holds exported models against the official ONNX tools: python test/oracle/check_models.py <folder written by
export.test.ts>

Versions: Python 3.11, onnx 1.23.2, numpy 2.4.6. Every model must pass onnx.checker with full_check (strict shape and
type inference), the inferred output shapes must agree with the declared ones, and onnx's ReferenceEvaluator must
compute the expected values. Models with onnxruntime's own operators are checked too, but the official tools can neither
infer nor run those.
"""
import json
import pathlib
import sys
import warnings

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

warnings.filterwarnings("ignore")
np.seterr(all="ignore")
TYPES = {"float32": np.float32, "float64": np.float64, "int64": np.int64, "int32": np.int32, "bool": np.bool_}

# Models that onnx's reference implementation cannot run (its own limits, not the models'); the checker applies to them
# all the same.
NOT_EVALUATED = {
    "Flatten: empty": "Flatten of nothing",
    "NegativeLogLikelihoodLoss: empty, sum": "losses over nothing",
    "GatherElements: fewer rows": "indices with fewer rows than data",
    "GatherElements: negative indices and axis": "negative axis of ScatterElements",
    "ScatterElements: negative axis and indices": "negative axis of ScatterElements",
    "OneHot: default axis": "depth as a vector of one element",
    "OneHot: first axis, other values, out of range": "depth as a vector of one element",
    "Pad: negative crops": "negative pads",
    "ReduceLogSumExp: scalar": "reductions of a scalar",
    "SoftmaxCrossEntropyLoss: large logits": "log-softmax that overflows",
    "Softsign: scalar": "Softsign of a scalar",
    "Conv: two groups": "grouped ConvTranspose",
    "Conv: two groups, stride 2, dilation 2": "grouped ConvTranspose",
    "Conv: two axes, everything": "grouped ConvTranspose",
    "ConvTranspose: two groups": "grouped ConvTranspose",
    "ConvTranspose: two axes, everything": "grouped ConvTranspose",
    "ConvTranspose: depthwise": "grouped ConvTranspose",
}

# Models whose output shapes onnx infers wrongly: of 1 and a symbol, an ellipsis becomes 1 there.
NOT_INFERRED = {"symbolic: Einsum: ...ij,...jk->...ik 2x1x3x4 1x5x4x2"}


def array(tensor):
    parse = (
        (lambda s: bool(int(s))) if tensor["dtype"] == "bool" else int if tensor["dtype"].startswith("int") else float
    )
    return np.array([parse(s) for s in tensor["data"]], dtype=TYPES[tensor["dtype"]]).reshape(tensor["shape"])


def check_shapes(model, record):
    inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    for output in inferred.graph.output:
        declared = record["outputs"][output.name]
        kind = output.type.tensor_type
        assert onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type) == np.dtype(TYPES[declared["dtype"]]), output.name
        dims = [d.dim_param or d.dim_value for d in kind.shape.dim]
        assert dims == declared["shape"], (output.name, dims, declared["shape"])


def main(folder):
    failures, evaluated, skipped, contrib = [], 0, {}, 0
    stems = sorted(pathlib.Path(folder).glob("*.json"))
    for stem in stems:
        record = json.loads(stem.read_text())
        path = stem.with_suffix(".onnx")
        try:
            model = onnx.load(path)
            onnx.checker.check_model(model, full_check=True)
            if record["title"] not in NOT_INFERRED:
                check_shapes(model, record)
            other = stem.with_suffix(".contrib.onnx")
            if other.exists():
                onnx.checker.check_model(onnx.load(other))
                contrib += 1
        except Exception as error:
            failures.append(f"{record['title']}: {type(error).__name__}: {error}")
            continue
        reason = NOT_EVALUATED.get(record["title"].split(": ", 1)[1])
        if reason:
            skipped[reason] = skipped.get(reason, 0) + 1
            continue
        try:
            names = list(record["expected"])
            results = ReferenceEvaluator(model).run(names or None, {k: array(v) for k, v in record["feeds"].items()})
            for name, result in zip(names, results):
                expected = array(record["expected"][name])
                assert np.shape(result) == expected.shape, (name, np.shape(result), expected.shape)
                if expected.dtype.kind == "f":
                    rtol, atol = (1e-9, 1e-11) if expected.dtype == np.float64 else (1e-4, 1e-5)
                    np.testing.assert_allclose(result, expected, rtol=rtol, atol=atol, err_msg=name)
                else:
                    np.testing.assert_array_equal(result, expected, err_msg=name)
            evaluated += 1
        except Exception as error:
            failures.append(
                f"{record['title']}: evaluation: {type(error).__name__}: {' '.join(str(error).split())[:300]}"
            )
    for failure in failures:
        print("FAILED", failure)
    print(
        f"onnx {onnx.__version__}: {len(stems)} models, {len(stems) - len(failures)} passed, {evaluated} also"
        f" evaluated, {contrib} with contrib operators"
    )
    for reason, count in skipped.items():
        print(f"  not evaluated: {count} ({reason})")
    sys.exit(1 if failures or not stems else 0)


if __name__ == "__main__":
    main(sys.argv[1])
