"""Writes test/fixtures/operators.json: forward values and gradients of every operator, computed by PyTorch in float64.

Versions: Python 3.11, torch 2.15.0, numpy 2.4.6. Run from the package folder:  python test/oracle/generate.py

Inputs are multiples of 1/256, so that float32 holds them exactly and float32 and float64 runs share one expectation. A
case is {op, name, attributes, inputs, outputs, seeds, gradients, kink}: `constant` inputs become initializers, `seeds`
are ∂loss/∂output, `gradients` the expected ∂loss/∂input (null where none flows), `kink` marks points where finite
differences say nothing. dtype "float" stands for both.
"""
import json
import math
import pathlib
import zlib

import numpy as np
import torch
import torch.nn.functional as F

import network_cases

CASES = []
torch.use_deterministic_algorithms(True)


class Input:
    def __init__(self, array, dtype, constant=False, free=None):
        self.array, self.dtype, self.constant, self.free = np.asarray(array), dtype, constant, free

    def tensor(self):
        if self.dtype == "float":
            return torch.tensor(self.array, dtype=torch.float64, requires_grad=not self.constant)
        return torch.tensor(self.array)


class Draw:
    """A random float tensor, drawn when the case is made so that each case has its own seed. `free`: axes that may be
    symbolic, all if None.
    """

    def __init__(self, shape, low=-2.0, high=2.0, gap=0.0, constant=False, away=(), free=None):
        self.shape, self.low, self.high, self.gap, self.constant, self.away = shape, low, high, gap, constant, away
        self.free = free

    def materialise(self, random):
        x = np.round(random.uniform(self.low, self.high, self.shape) * 256) / 256
        if self.gap:  # keep away from zero
            x = np.where(np.abs(x) < self.gap, np.copysign(self.gap, x) + x, x)
        for kink in self.away:
            x = np.where(np.abs(x - kink) < 0.125, kink + 0.125, x)
        return Input(x, "float", self.constant, self.free)


D = Draw


def V(values, constant=False):
    return Input(np.array(values, dtype=np.float64), "float", constant)


def I(values, dtype="int64", constant=False):
    return Input(np.array(values, dtype=np.int32 if dtype == "int32" else np.int64), dtype, constant)


def C(values, dtype="int64"):
    return I(values, dtype, constant=True)


def B(values):
    return Input(np.array(values, dtype=bool), "bool")


def numbers(array):
    def one(x):
        if isinstance(x, (bool, np.bool_)):
            return int(x)
        if isinstance(x, (int, np.integer)):
            return int(x)
        if math.isnan(x):
            return "NaN"
        if math.isinf(x):
            return "Infinity" if x > 0 else "-Infinity"
        value = float(f"{x:.13g}")
        return (
            int(value)
            if value == int(value) and abs(value) < 1e9 and not (value == 0 and math.copysign(1, value) < 0)
            else value
        )

    return [one(x) for x in np.asarray(array).reshape(-1).tolist()]


TYPES = {torch.float64: "float", torch.int64: "int64", torch.int32: "int32", torch.bool: "bool"}


def case(op, name, inputs, fn, attributes=None, kink=False, differentiable=True, skip_gradients=()):
    """`fn` takes the tensors in the operator's input order and gives its outputs; None inputs are absent optional
    ones.
    """
    random = np.random.RandomState(zlib.crc32(f"{op}/{name}".encode()))
    inputs = [x.materialise(random) if isinstance(x, Draw) else x for x in inputs]
    tensors = [None if x is None else x.tensor() for x in inputs]
    outputs = fn(*tensors)
    outputs = list(outputs) if isinstance(outputs, (tuple, list)) else [outputs]
    seeds = [None] * len(outputs)
    total = None
    for i, output in enumerate(outputs):
        if output is not None and output.dtype == torch.float64 and output.requires_grad:
            seeds[i] = np.round(random.uniform(-2, 2, tuple(output.shape)) * 8) / 8
            term = (output * torch.tensor(seeds[i])).sum()
            total = term if total is None else total + term
    gradients = [None] * len(inputs)
    if differentiable and total is not None:
        wanted = [i for i, t in enumerate(tensors) if t is not None and t.requires_grad and i not in skip_gradients]
        found = torch.autograd.grad(total, [tensors[i] for i in wanted], allow_unused=True)
        for i, gradient in zip(wanted, found):
            gradients[i] = numbers(torch.zeros_like(tensors[i]) if gradient is None else gradient)
    record = {"op": op, "name": name}
    if attributes:
        record["attributes"] = attributes
    record["inputs"] = [
        (
            None
            if x is None
            else {
                "dtype": x.dtype,
                "shape": list(x.array.shape),
                "data": numbers(x.array),
                **({"constant": True} if x.constant else {}),
                **({} if x.free is None else {"free": list(x.free)}),
            }
        )
        for x in inputs
    ]
    record["outputs"] = [
        None if y is None else {"dtype": TYPES[y.dtype], "shape": list(y.shape), "data": numbers(y.detach().numpy())}
        for y in outputs
    ]
    if any(g is not None for g in gradients):
        record["seeds"] = [None if s is None else numbers(s) for s in seeds]
        record["gradients"] = gradients
    if kink:
        record["kink"] = True
    CASES.append(record)


# --- arithmetic -------------------------------------------------------------------------------------------------------
PAIRS = [
    ("same", (3, 5), (3, 5)),
    ("row", (2, 3), (3,)),
    ("both ways", (2, 1, 3), (4, 1)),
    ("scalar left", (), (2, 3)),
    ("scalar right", (7,), ()),
    ("two scalars", (), ()),
    ("ones", (1, 1), (1,)),
    ("middle one", (2, 3, 2), (1, 3, 1)),
    ("empty", (0, 3), (1, 3)),
    ("empty against one", (2, 0), (2, 1)),
]
for name, a, b in PAIRS:
    case("Add", name, [D(a), D(b)], torch.add)
    case("Sub", name, [D(a), D(b)], torch.sub)
    case("Mul", name, [D(a), D(b)], torch.mul)
    case("Div", name, [D(a), D(b, gap=0.5)], torch.div)
    case("Pow", name, [D(a, 0.25, 2), D(b)], torch.pow)
    case("Max", name, [D(a), D(b)], torch.maximum)
    case("Min", name, [D(a), D(b)], torch.minimum)
case("Mul", "an operand twice over zero", [V([0, -1, 2]), V([0, 0, 3])], torch.mul)
case("Pow", "negative base, integer exponents", [V([-2, -1.5, -1, 3]), V([2, 3, 4, -1], constant=True)], torch.pow)
case("Pow", "base zero", [V([0, 0, 0, 2]), V([2, 1, 0, 0], constant=True)], torch.pow, kink=True)
case("Pow", "exponent zero as a variable", [V([0.5, 2, 3]), V([0, 0, 1])], torch.pow)
case("Pow", "base zero, exponent a variable", [V([0, 0, 2]), V([2, 1, 3])], torch.pow, kink=True)
case("Pow", "squares", [D((3, 4)), V(2, constant=True)], torch.pow)
for op, chosen in [("Max", torch.maximum), ("Min", torch.minimum)]:
    case(op, "ties share", [V([1, 2, 3, -1]), V([1, 5, 3, -2])], chosen, kink=True)
    ext = torch.amax if op == "Max" else torch.amin
    case(
        op,
        "three operands",
        [D((2, 3)), D((3,)), D((2, 1))],
        lambda a, b, c, ext=ext: ext(torch.stack(torch.broadcast_tensors(a, b, c)), 0),
    )
    case(
        op,
        "three equal",
        [V([1.0, 2]), V([1.0, 0]), V([1.0, 2])],
        lambda a, b, c, ext=ext: ext(torch.stack([a, b, c]), 0),
        kink=True,
    )
    case(op, "one operand", [D((4,))], lambda a: a.clone())
case("Sum", "broadcast", [D((2, 3)), D((3,)), D(())], lambda a, b, c: a + b + c)
case("Sum", "one operand", [D((2, 3))], lambda a: a.clone())
case("Sum", "empty", [D((0, 3)), D((3,))], lambda a, b: a + b)
case("Mean", "broadcast", [D((2, 3)), D((3,)), D((2, 1))], lambda a, b, c: (a + b + c) / 3)
case("Mean", "one operand", [D((2, 3))], lambda a: a.clone())
case("Add", "int64", [I([[1, 2], [3, 4]]), I([10, -20])], torch.add)
case("Sub", "int32", [I([1, 2], "int32"), I([5], "int32")], torch.sub)
case("Mul", "int64", [I([2**40, 3]), I([3, -7])], torch.mul)
case("Div", "int64 truncates", [I([7, -7, 9]), I([2, 2, -4])], lambda a, b: torch.div(a, b, rounding_mode="trunc"))
case("Mod", "int64 takes the divisor's sign", [I([7, -7, 9, -9, 0]), I([3, 3, -4, -4, 5])], torch.remainder)
case("Mod", "broadcast", [I([[7], [12]]), I([5, 9, 1])], torch.remainder)
case("Mod", "fmod truncates", [I([7, -7, 9, -9]), I([3, 3, -4, -4])], torch.fmod, {"fmod": 1})

# --- logic ------------------------------------------------------------------------------------------------------------
X, Y = V([[1, 2, 3], [-1, 0, 5]]), V([1, 0, 4])
for op, f in [
    ("Equal", torch.eq),
    ("Less", torch.lt),
    ("LessOrEqual", torch.le),
    ("Greater", torch.gt),
    ("GreaterOrEqual", torch.ge),
]:
    case(op, "broadcast", [X, Y], f)
    case(op, "empty", [D((0, 2)), D((2,))], f)
    case(op, "int64", [I([1, 2, 3]), I(2)], f)
    case(op, "NaN", [V([float("nan"), 1]), V([float("nan"), float("nan")])], f)
P, Q = B([[True, False], [False, True]]), B([True, False])
for op, f in [("And", torch.logical_and), ("Or", torch.logical_or), ("Xor", torch.logical_xor)]:
    case(op, "broadcast", [P, Q], f)
    case(op, "scalar", [P, B(True)], f)
case("Not", "matrix", [P], torch.logical_not)
SPECIAL = V([float("nan"), float("inf"), float("-inf"), 0.0, 1.5])
case("IsNaN", "special values", [SPECIAL], torch.isnan)
case("IsInf", "special values", [SPECIAL], torch.isinf)
WORDS = I([0, 1, 6, 0xFFFF, -1, 2**40 + 5])
case("BitwiseAnd", "int64", [WORDS, I(0xFF)], torch.bitwise_and)
case("BitwiseAnd", "broadcast", [I([[12], [10]]), I([6, 3])], torch.bitwise_and)
case("BitwiseXor", "int64", [WORDS, I([5, 4, 3, 2, 1, 0])], torch.bitwise_xor)
case("BitwiseXor", "int32", [I([1, 2], "int32"), I(3, "int32")], torch.bitwise_xor)
case("Where", "same", [B([[True, False, True]]), D((1, 3)), D((1, 3))], torch.where)
case("Where", "broadcast", [B([[True], [False]]), D((3,)), D((2, 1))], torch.where)
case("Where", "scalars", [B([True, False, True]), D(()), D(())], torch.where)
case("Where", "condition the widest", [B([[[True, False]], [[False, False]]]), D((2,)), D((1,))], torch.where)
case("Where", "empty", [B(np.zeros((0, 3))), D((3,)), D((0, 1))], torch.where)
case("Where", "int64", [B([True, False]), I([1, 2]), I(0)], torch.where)
case("Where", "an infinity not chosen", [B([True, False]), V([1, 2]), V([float("-inf"), 3])], torch.where, kink=True)

# --- activations ------------------------------------------------------------------------------------------------------
SHAPES = [("matrix", (3, 5)), ("scalar", ()), ("empty", (0, 4)), ("ones", (1, 1, 1)), ("odd", (7,))]


def unary(op, f, low=-2.0, high=2.0, gap=0.0, attributes=None, suffix="", shapes=SHAPES, away=()):
    for name, shape in shapes:
        case(op, name + suffix, [D(shape, low, high, gap, away=away)], f, attributes)


unary("Identity", lambda x: x.clone())
case("Identity", "int64", [I([1, 2])], lambda x: x.clone())
unary("Neg", torch.neg)
case("Neg", "int64", [I([1, -2])], torch.neg)
unary("Abs", torch.abs, gap=0.1)
case("Abs", "at zero", [V([0, -1])], torch.abs, kink=True)
unary("Sign", lambda x: torch.sign(x.detach()))
case("Sign", "zero", [V([0, -3, 3])], lambda x: torch.sign(x.detach()))
unary("Floor", lambda x: torch.floor(x.detach()))
unary("Ceil", lambda x: torch.ceil(x.detach()))
case("Round", "halves to even", [V([0.5, 1.5, 2.5, -0.5, -1.5, 1.25])], lambda x: torch.round(x.detach()))
case("Round", "empty", [D((0, 2))], lambda x: torch.round(x.detach()))
unary("Exp", torch.exp)
unary("Log", torch.log, 0.25, 3)
unary("Sqrt", torch.sqrt, 0.25, 3)
unary("Reciprocal", torch.reciprocal, gap=0.5)
unary("Sin", torch.sin)
unary("Cos", torch.cos)
unary("Tanh", torch.tanh)
case("Tanh", "saturated", [V([-30, 30, 8])], torch.tanh)
unary("Sigmoid", torch.sigmoid)
case("Sigmoid", "saturated", [V([-40, 40, -9])], torch.sigmoid)
unary("Relu", torch.relu, gap=0.1)
case("Relu", "at zero", [V([0, -1, 1])], torch.relu, kink=True)
unary("LeakyRelu", lambda x: F.leaky_relu(x, 0.01), gap=0.1)
unary(
    "LeakyRelu",
    lambda x: F.leaky_relu(x, 0.25),
    gap=0.1,
    attributes={"alpha": 0.25},
    suffix=", alpha",
    shapes=SHAPES[:1],
)
case("LeakyRelu", "at zero", [V([0, -1, 1])], lambda x: F.leaky_relu(x, 0.01), kink=True)
unary("Elu", F.elu, gap=0.1)
unary("Elu", lambda x: F.elu(x, 1.5), gap=0.1, attributes={"alpha": 1.5}, suffix=", alpha", shapes=SHAPES[:1])
unary("Celu", F.celu, gap=0.1)
unary("Celu", lambda x: F.celu(x, 0.5), gap=0.1, attributes={"alpha": 0.5}, suffix=", alpha", shapes=SHAPES[:1])
unary("Selu", F.selu, gap=0.1)
unary(
    "Selu",
    lambda x: 1.25 * F.elu(x, 0.5),
    gap=0.1,
    attributes={"alpha": 0.5, "gamma": 1.25},
    suffix=", alpha and gamma",
    shapes=SHAPES[:1],
)
unary("HardSigmoid", lambda x: torch.clamp(0.2 * x + 0.5, 0, 1), -4, 4, away=(-2.5, 2.5))
unary(
    "HardSigmoid",
    lambda x: torch.clamp(0.5 * x + 0.25, 0, 1),
    attributes={"alpha": 0.5, "beta": 0.25},
    suffix=", alpha and beta",
    shapes=SHAPES[:1],
    away=(-0.5, 1.5),
)
unary("HardSwish", F.hardswish, -5, 5, away=(-3, 3))
unary("Mish", F.mish, -4, 4)
unary("ThresholdedRelu", lambda x: F.threshold(x, 1.0, 0.0), -3, 3, away=(1,))
unary(
    "ThresholdedRelu",
    lambda x: F.threshold(x, 0.3, 0.0),
    gap=0.5,
    attributes={"alpha": 0.3},
    suffix=", alpha",
    shapes=SHAPES[:1],
)
for name, x, slope in [
    ("same", (2, 3), (2, 3)),
    ("per channel", (2, 3, 4), (3, 1)),
    ("scalar", (5,), ()),
    ("empty", (0, 2), (2,)),
]:
    case("PRelu", name, [D(x, gap=0.1), D(slope)], lambda x, a: torch.where(x >= 0, x, a * x))
unary("Softplus", F.softplus)
case("Softplus", "large", [V([-40, 15, 19])], lambda x: torch.logaddexp(x, torch.zeros_like(x)))
unary("Erf", torch.erf)
unary("Gelu", F.gelu, -4, 4)
unary("Gelu", lambda x: F.gelu(x, approximate="tanh"), -4, 4, attributes={"approximate": "tanh"}, suffix=", tanh")
case(
    "Clip",
    "both bounds",
    [D((3, 4)), V(-1, constant=True), V(0.5, constant=True)],
    lambda x, a, b: torch.clamp(x, a, b),
)
case("Clip", "bounds as variables", [D((3, 4)), V(-1), V(0.5)], torch.clamp)
case("Clip", "lower only", [D((7,)), V(0.25)], torch.clamp)
case("Clip", "upper only", [D((7,)), None, V(0.25)], lambda x, a, b: torch.clamp(x, max=b))
case("Clip", "no bounds", [D((3,))], lambda x: x.clone())
case(
    "Clip",
    "at the bounds",
    [V([-1, 0, 1, 2, -2]), V(-1, constant=True), V(1, constant=True)],
    lambda x, a, b: torch.clamp(x, -1, 1),
    kink=True,
)
case(
    "Clip",
    "bounds the wrong way round",
    [V([0, 2, 4]), V(3), V(1)],
    lambda x, a, b: torch.minimum(torch.maximum(x, a), b),
)
case("Clip", "empty", [D((0, 2)), V(0, constant=True), V(1, constant=True)], torch.clamp)
case("Clip", "int64", [I([1, 5, 9]), C(2), C(6)], lambda x, a, b: torch.clamp(x, 2, 6))

# --- conversion -------------------------------------------------------------------------------------------------------
case("Cast", "float to int64 truncates", [V([1.75, -1.75, 0.5])], lambda x: x.detach().to(torch.int64), {"to": 7})
case("Cast", "float to bool", [V([1.75, 0, -0.5])], lambda x: x.detach() != 0, {"to": 9})
case("Cast", "int64 to int32", [I([1, -5])], lambda x: x.to(torch.int32), {"to": 6})
case("Cast", "bool to int64", [P], lambda x: x.to(torch.int64), {"to": 7})
case("Cast", "float32 to float64", [D((2, 3))], lambda x: x * 1, {"to": 11})
case("Cast", "float64 to float32", [D((2, 3))], lambda x: x * 1, {"to": 1})

# --- reductions -------------------------------------------------------------------------------------------------------


def reduce_with(f):
    def apply(x, axes=None, keep=True):
        dims = list(range(x.dim())) if axes is None else axes
        if x.dim() == 0:  # a scalar is reduced as a vector of one element
            return f(x.reshape(1), [0], False)
        return x.clone() if len(dims) == 0 else f(x, dims, keep)

    return apply


REDUCE = {
    "ReduceSum": reduce_with(lambda x, d, k: x.sum(d, keepdim=k)),
    "ReduceMean": reduce_with(lambda x, d, k: x.mean(d, keepdim=k)),
    "ReduceMax": reduce_with(lambda x, d, k: x.amax(d, keepdim=k)),
    "ReduceMin": reduce_with(lambda x, d, k: x.amin(d, keepdim=k)),
    "ReduceL1": reduce_with(lambda x, d, k: x.abs().sum(d, keepdim=k)),
    "ReduceL2": reduce_with(lambda x, d, k: torch.linalg.vector_norm(x, dim=d, keepdim=k)),
    "ReduceSumSquare": reduce_with(lambda x, d, k: (x * x).sum(d, keepdim=k)),
    "ReduceLogSumExp": reduce_with(lambda x, d, k: x.logsumexp(d, keepdim=k)),
}
for op, f in REDUCE.items():
    gap = 0.1 if op in ("ReduceL1",) else 0.0
    case(op, "all axes", [D((2, 3), gap=gap)], lambda x, f=f: f(x))
    case(op, "all axes dropped", [D((2, 3, 2), gap=gap)], lambda x, f=f: f(x, None, False), {"keepdims": 0})
    case(op, "last axis kept", [D((3, 5), gap=gap), C([-1])], lambda x, a, f=f: f(x, [-1], True))
    case(op, "first axis dropped", [D((3, 5), gap=gap), C([0])], lambda x, a, f=f: f(x, [0], False), {"keepdims": 0})
    case(
        op,
        "outer axes dropped",
        [D((2, 3, 2), gap=gap), C([-1, 0])],
        lambda x, a, f=f: f(x, [0, 2], False),
        {"keepdims": 0},
    )
    case(op, "axis of one", [D((3, 1), gap=gap), C([1])], lambda x, a, f=f: f(x, [1], True))
    if op in ("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin"):
        case(
            op,
            "no axes, no operation",
            [D((2, 3), gap=gap), C([])],
            lambda x, a, f=f: f(x, [], True),
            {"noop_with_empty_axes": 1},
        )
    case(op, "scalar", [D((), gap=gap)], lambda x, f=f: f(x))
    case(op, "empty batch", [D((0, 3), gap=gap), C([1])], lambda x, a, f=f: f(x, [1], True))
case("ReduceSum", "over nothing", [D((2, 0)), C([1])], lambda x, a: x.sum(1, keepdim=True))
case("ReduceSum", "int64", [I([[1, 2], [3, 4]]), C([1])], lambda x, a: x.sum(1, keepdim=True))
case("ReduceMax", "ties share", [V([[1, 3, 3], [2, 2, 2]]), C([1])], lambda x, a: x.amax(1, keepdim=True), kink=True)
case("ReduceMin", "ties share", [V([[1, 1, 3], [2, 2, 2]]), C([1])], lambda x, a: x.amin(1), {"keepdims": 0}, kink=True)
case(
    "ReduceL2",
    "norm zero",
    [V([[0, 0], [3, 4]]), C([1])],
    lambda x, a: torch.linalg.vector_norm(x, dim=1, keepdim=True),
    kink=True,
)
case("ReduceL1", "at zero", [V([[0, -1], [3, 0]]), C([1])], lambda x, a: x.abs().sum(1, keepdim=True), kink=True)
case(
    "ReduceLogSumExp",
    "large values",
    [V([[500, 501], [-700, -703]]), C([1])],
    lambda x, a: x.logsumexp(1, keepdim=True),
)
case("ReduceProd", "int64", [I([[1, 2, 3], [4, 5, 6]]), C([1])], lambda x, a: x.prod(1, keepdim=True))
case("ReduceProd", "float", [V([[1, 2, 3], [4, 5, 6]]), C([0])], lambda x, a: x.prod(0), {"keepdims": 0})
for op, f in [("ArgMax", torch.argmax), ("ArgMin", torch.argmin)]:
    case(op, "default axis", [D((3, 5))], lambda x, f=f: f(x.detach(), 0, keepdim=True))
    case(op, "last axis dropped", [D((3, 5))], lambda x, f=f: f(x.detach(), -1), {"axis": -1, "keepdims": 0})
    case(op, "ties, first", [V([[1, 1, 1]])], lambda x: torch.tensor([[0]]), {"axis": 1})
    case(op, "ties, last", [V([[1, 1, 1]])], lambda x: torch.tensor([[2]]), {"axis": 1, "select_last_index": 1})


def cumsum(x, axis, exclusive=False, reverse=False):
    x = x.flip(axis) if reverse else x
    y = x.cumsum(axis)
    y = y - x if exclusive else y
    return y.flip(axis) if reverse else y


for e in (0, 1):
    for r in (0, 1):
        case(
            "CumSum",
            f"exclusive {e}, reverse {r}",
            [D((2, 4)), C(1)],
            lambda x, a, e=e, r=r: cumsum(x, 1, e, r),
            {"exclusive": e, "reverse": r},
        )
case("CumSum", "negative axis", [D((3, 2)), C(-2)], lambda x, a: x.cumsum(0))
case("CumSum", "axis of one", [D((3, 1)), C(1)], lambda x, a: x.cumsum(1))
case("TopK", "default", [D((3, 5)), C([2])], lambda x, k: torch.topk(x, 2))
case(
    "TopK",
    "smallest along axis 0",
    [D((4, 2)), C([3])],
    lambda x, k: torch.topk(x, 3, dim=0, largest=False),
    {"axis": 0, "largest": 0},
)
case("TopK", "all", [D((1, 3)), C([3])], lambda x, k: torch.topk(x, 3))
case("TopK", "none", [D((2, 3)), C([0])], lambda x, k: torch.topk(x, 0))

# --- matrix products --------------------------------------------------------------------------------------------------
PRODUCTS = [
    ("matrices", (2, 3), (3, 4)),
    ("odd", (5, 7), (7, 3)),
    ("ones", (1, 1), (1, 1)),
    ("vector, matrix", (3,), (3, 4)),
    ("matrix, vector", (2, 3), (3,)),
    ("vectors", (3,), (3,)),
    ("batch, matrix", (2, 3, 4), (4, 2)),
    ("matrix, batch", (3, 4), (2, 4, 2)),
    ("batches", (2, 3, 4), (2, 4, 2)),
    ("broadcast batches", (2, 1, 3, 2), (3, 2, 2)),
    ("batch of one", (1, 3, 2), (4, 2, 2)),
    ("vector, batch", (3,), (2, 3, 2)),
    ("batch, vector", (2, 3, 4), (4,)),
    ("no rows", (0, 3), (3, 2)),
    ("batch, nothing summed", (2, 3, 0), (0, 2)),
    ("no columns", (2, 3), (3, 0)),
    ("nothing summed", (2, 0), (0, 3)),
    ("empty batch", (0, 2, 3), (3, 2)),
]
for name, a, b in PRODUCTS:
    case("MatMul", name, [D(a), D(b)], torch.matmul)


def t(x, flag):
    return x.transpose(-1, -2) if flag else x


for ta in (0, 1):
    for tb in (0, 1):
        a2, b2 = ((4, 3) if ta else (3, 4)), ((2, 4) if tb else (4, 2))
        at = {"transA": ta, "transB": tb}
        case(
            "FusedMatMul",
            f"transA {ta}, transB {tb}",
            [D(a2), D(b2)],
            lambda a, b, ta=ta, tb=tb: 0.5 * t(a, ta) @ t(b, tb),
            {**at, "alpha": 0.5},
        )
        case(
            "FusedMatMul",
            f"batch, transA {ta}, transB {tb}",
            [D((2, *a2)), D((2, *b2))],
            lambda a, b, ta=ta, tb=tb: t(a, ta) @ t(b, tb),
            at,
        )
        case(
            "FusedMatMul",
            f"batch and matrix, transA {ta}, transB {tb}",
            [D((2, *a2)), D(b2)],
            lambda a, b, ta=ta, tb=tb: t(a, ta) @ t(b, tb),
            at,
        )
        case(
            "Gemm",
            f"transA {ta}, transB {tb}",
            [D(a2), D(b2), D((2,))],
            lambda a, b, c, ta=ta, tb=tb: 0.5 * t(a, ta) @ t(b, tb) + 2 * c,
            {**at, "alpha": 0.5, "beta": 2.0},
        )
case("Gemm", "defaults, no bias", [D((2, 3)), D((3, 2))], torch.matmul)
case("Gemm", "bias of one row", [D((3, 2)), D((2, 4)), D((1, 4))], lambda a, b, c: a @ b + c)
case("Gemm", "bias of one column", [D((3, 2)), D((2, 4)), D((3, 1))], lambda a, b, c: a @ b + c)
case("Gemm", "scalar bias", [D((3, 2)), D((2, 4)), D(())], lambda a, b, c: a @ b + c)
case("Gemm", "no rows", [D((0, 2)), D((2, 4)), D((4,))], lambda a, b, c: a @ b + c)

# --- layout -----------------------------------------------------------------------------------------------------------
case("Reshape", "flat", [D((2, 3)), C([6])], lambda x, s: x.reshape(6))
case("Reshape", "minus one", [D((2, 3, 2)), C([-1, 4])], lambda x, s: x.reshape(-1, 4))
case("Reshape", "zero copies", [D((2, 3, 2)), C([0, -1])], lambda x, s: x.reshape(2, 6))
case("Reshape", "allowzero", [D((0, 3)), C([3, 0])], lambda x, s: x.reshape(3, 0), {"allowzero": 1})
case("Reshape", "empty, zero copies", [D((0, 3)), C([0, 1, 3])], lambda x, s: x.reshape(0, 1, 3))
case("Reshape", "to scalar", [D((1, 1)), C([])], lambda x, s: x.reshape(()))
case("Reshape", "from scalar", [D(()), C([1, 1])], lambda x, s: x.reshape(1, 1))
case("Flatten", "default", [D((2, 3, 2))], lambda x: x.reshape(2, 6))
case("Flatten", "axis 0", [D((2, 3))], lambda x: x.reshape(1, 6), {"axis": 0})
case("Flatten", "axis of the rank", [D((2, 3))], lambda x: x.reshape(6, 1), {"axis": 2})
case("Flatten", "negative axis", [D((2, 3, 2))], lambda x: x.reshape(6, 2), {"axis": -1})
case("Flatten", "empty behind", [D((2, 3, 0))], lambda x: x.reshape(2, 0))
case("Flatten", "empty", [D((0, 3, 2))], lambda x: x.reshape(0, 6))
case("Squeeze", "all ones", [D((1, 3, 1))], lambda x: x.squeeze())
case("Squeeze", "negative axis", [D((1, 3, 1)), C([-1])], lambda x, a: x.squeeze(-1))
case("Squeeze", "to scalar", [D((1, 1)), C([0, 1])], lambda x, a: x.reshape(()))
case("Unsqueeze", "both ends", [D((2, 3)), C([0, -1])], lambda x, a: x.reshape(1, 2, 3, 1))
case("Unsqueeze", "scalar", [D(()), C([0])], lambda x, a: x.reshape(1))
case("Unsqueeze", "empty", [D((0, 2)), C([1])], lambda x, a: x.reshape(0, 1, 2))
case("Transpose", "default reverses", [D((2, 3, 4))], lambda x: x.permute(2, 1, 0))
case("Transpose", "perm", [D((2, 3, 4))], lambda x: x.permute(2, 0, 1), {"perm": [2, 0, 1]})
case("Transpose", "heads", [D((2, 3, 2, 2))], lambda x: x.permute(0, 2, 1, 3), {"perm": [0, 2, 1, 3]})
case("Transpose", "empty", [D((0, 3))], lambda x: x.permute(1, 0))
case("Expand", "rows", [D((3,)), C([2, 3])], lambda x, s: x.expand(2, 3))
case("Expand", "ones of both", [D((2, 1, 3)), C([1, 4, 1])], lambda x, s: x.expand(2, 4, 3))
case("Expand", "target of lower rank", [D((2, 3)), C([1])], lambda x, s: x.clone())
case("Expand", "scalar", [D(()), C([2, 2])], lambda x, s: x.expand(2, 2))
case("Expand", "to nothing", [D((1, 3)), C([0, 3])], lambda x, s: x.expand(0, 3))
case("Concat", "axis 0", [D((1, 2)), D((3, 2))], lambda *p: torch.cat(p, 0), {"axis": 0})
case(
    "Concat", "negative axis, three parts", [D((2, 1)), D((2, 2)), D((2, 3))], lambda *p: torch.cat(p, -1), {"axis": -1}
)
case("Concat", "one part", [D((2, 2))], lambda *p: torch.cat(p, 0), {"axis": 0})
case("Concat", "an empty part", [D((0, 2)), D((3, 2))], lambda *p: torch.cat(p, 0), {"axis": 0})
case("Split", "sizes", [D((6, 2)), C([1, 2, 3])], lambda x, s: torch.split(x, [1, 2, 3]))
case("Split", "negative axis", [D((2, 4)), C([1, 3])], lambda x, s: torch.split(x, [1, 3], -1), {"axis": -1})
case("Split", "equal parts", [D((2, 4))], lambda x: torch.split(x, 2, 1), {"axis": 1, "num_outputs": 2})
case("Split", "smaller last part", [D((5,))], lambda x: torch.split(x, 2), {"num_outputs": 3})
case("Split", "an empty part", [D((3, 2)), C([0, 3])], lambda x, s: torch.split(x, [0, 3]))
case("Slice", "middle", [D((5, 3)), C([1]), C([4])], lambda x, *_: x[1:4])
case("Slice", "negative bounds and axis", [D((2, 5)), C([-4]), C([-1]), C([-1])], lambda x, *_: x[:, -4:-1])
case("Slice", "two axes", [D((4, 5)), C([1, 0]), C([3, 2]), C([0, 1])], lambda x, *_: x[1:3, :2])
case("Slice", "to the end", [D((4, 2)), C([2]), C([2**31 - 1]), C([0])], lambda x, *_: x[2:])
case("Slice", "steps", [D((7, 4)), C([1, 0]), C([7, 4]), C([0, 1]), C([3, 2])], lambda x, *_: x[1:7:3, 0:4:2])
case("Slice", "reversed", [D((5, 2)), C([-1]), C([-(2**31)]), C([0]), C([-1])], lambda x, *_: x.flip(0))
case("Slice", "negative step of two", [D((2, 6)), C([4]), C([0]), C([1]), C([-2])], lambda x, *_: x[:, [4, 2]])
case("Slice", "nothing", [D((4, 2)), C([3]), C([1])], lambda x, *_: x[3:1])
case("Slice", "of nothing", [D((0, 2)), C([0]), C([3])], lambda x, *_: x[0:3])
case("Slice", "bounds beyond the ends", [D((4,)), C([-9]), C([9])], lambda x, *_: x.clone())
case("Pad", "both sides", [D((2, 3)), C([1, 0, 0, 2])], lambda x, p: F.pad(x, (0, 2, 1, 0)))
case(
    "Pad",
    "value as a variable",
    [D((2, 3)), C([0, 1, 1, 1]), D(())],
    lambda x, p, v: torch.where(F.pad(torch.ones(2, 3, dtype=torch.bool), (1, 1, 0, 1)), F.pad(x, (1, 1, 0, 1)), v),
)
case(
    "Pad",
    "chosen axis",
    [D((2, 3)), C([1, 2]), V(0.5, constant=True), C([-1])],
    lambda x, p, v, a: F.pad(x, (1, 2), value=0.5),
)
case("Pad", "negative crops", [D((4, 3)), C([-1, 1, -2, 0])], lambda x, p: F.pad(x, (1, 0, -1, -2)))
case("Pad", "of nothing", [D((0, 2)), C([1, 0, 1, 0])], lambda x, p: F.pad(x, (0, 0, 1, 1)))
case("Tile", "both axes", [D((2, 3)), C([2, 3])], lambda x, r: x.tile(2, 3))
case("Tile", "once", [D((2, 3)), C([1, 1])], lambda x, r: x.clone())
case("Tile", "last axis zero times", [D((2, 3)), C([2, 0])], lambda x, r: x.tile(2, 0))
case("Tile", "zero times", [D((2, 3)), C([0, 2])], lambda x, r: x.tile(0, 2))
for up in (0, 1):
    f = torch.triu if up else torch.tril
    case("Trilu", f"upper {up}", [D((3, 4))], lambda x, f=f: f(x), {"upper": up})
    case("Trilu", f"upper {up}, k 1", [D((2, 3, 3)), C(1)], lambda x, k, f=f: f(x, 1), {"upper": up})
    case("Trilu", f"upper {up}, k -1", [D((4, 3)), C(-1)], lambda x, k, f=f: f(x, -1), {"upper": up})

# --- indexing ---------------------------------------------------------------------------------------------------------
case("Gather", "rows with duplicates", [D((4, 3)), I([2, 0, 2, 2])], lambda x, i: x[i])
case("Gather", "matrix of indices", [D((4, 2)), I([[0, 3], [3, 1]])], lambda x, i: x[i])
case("Gather", "negative indices", [D((4, 2)), I([-1, 3, -4])], lambda x, i: x[i])
case("Gather", "last axis", [D((2, 4)), I([3, 0, 3])], lambda x, i: x[:, i], {"axis": -1})
case("Gather", "middle axis", [D((2, 3, 2)), I([[2, 0]])], lambda x, i: x[:, i], {"axis": 1})
case("Gather", "scalar index", [D((3, 2)), I(1)], lambda x, i: x[1])
case("Gather", "scalar of a vector", [D((3,)), I(-1)], lambda x, i: x[-1])
case("Gather", "int32 indices", [D((3, 2)), I([2, 2], "int32")], lambda x, i: x[i.long()])
case("Gather", "empty rows", [D((3, 0)), I([2, 1])], lambda x, i: x[i])
case("Gather", "no indices", [D((3, 2)), I(np.zeros((0,)))], lambda x, i: x[i])
case("Gather", "int64 data", [I([5, 6, 7]), I([2, 0])], lambda x, i: x[i])
case("GatherElements", "duplicates", [D((3, 2)), I([[0, 2], [0, 1], [0, 2]])], lambda x, i: x.gather(0, i))
case(
    "GatherElements",
    "negative indices and axis",
    [D((2, 3)), I([[-1, 0], [1, -3]])],
    lambda x, i: x.gather(1, i % 3),
    {"axis": -1},
)
case("GatherElements", "fewer rows", [D((3, 4)), I([[3, 3]])], lambda x, i: x.gather(1, i), {"axis": 1})
case("GatherND", "elements with duplicates", [D((3, 2)), I([[0, 1], [2, 0], [0, 1]])], lambda x, i: x[i[:, 0], i[:, 1]])
case("GatherND", "rows", [D((3, 2)), I([[[2]], [[-1]]])], lambda x, i: x[i[..., 0]])
case("GatherND", "one index", [D((3, 2, 2)), I([1, 0])], lambda x, i: x[1, 0])
case("GatherND", "nothing", [D((3, 2)), I(np.zeros((0, 1)))], lambda x, i: x[i[:, 0]])
case(
    "ScatterElements", "replace", [D((3, 3)), I([[1, 0, 2], [0, 2, 1]]), D((2, 3))], lambda x, i, u: x.scatter(0, i, u)
)
case(
    "ScatterElements",
    "add with duplicates",
    [D((3, 2)), I([[1, 1], [1, 0], [1, 0]]), D((3, 2))],
    lambda x, i, u: x.scatter_add(0, i, u),
    {"reduction": "add"},
)
case(
    "ScatterElements",
    "negative axis and indices",
    [D((2, 4)), I([[-1, 0], [2, -3]]), D((2, 2))],
    lambda x, i, u: x.scatter(1, i % 4, u),
    {"axis": -1},
)
case("ScatterElements", "nothing", [D((2, 2)), I(np.zeros((0, 2))), D((0, 2))], lambda x, i, u: x.scatter(0, i, u))
case("ScatterND", "replace rows", [D((4, 2)), I([[3], [0]]), D((2, 2))], lambda x, i, u: x.index_put((i[:, 0],), u))
case(
    "ScatterND",
    "replace elements",
    [D((2, 3)), I([[0, 2], [1, -3]]), D((2,))],
    lambda x, i, u: x.index_put((i[:, 0], i[:, 1]), u),
)
case(
    "ScatterND",
    "add with duplicates",
    [D((3, 2)), I([[1], [1], [-2]]), D((3, 2))],
    lambda x, i, u: x.index_put((i[:, 0],), u, accumulate=True),
    {"reduction": "add"},
)
case("ScatterND", "nothing", [D((3, 2)), I(np.zeros((0, 1))), D((0, 2))], lambda x, i, u: x.index_put((i[:, 0],), u))


def one_hot(i, values, depth, axis=-1):
    hot = torch.zeros(*i.shape, depth, dtype=torch.float64)
    for position, k in np.ndenumerate(i.numpy()):
        if -depth <= k < depth:
            hot[position][k] = 1
    return (values[0] + (values[1] - values[0]) * hot).movedim(-1, axis)


case("OneHot", "default axis", [I([0, 2, -1]), C([4]), V([0, 1])], lambda i, d, v: one_hot(i, v, 4))
case(
    "OneHot",
    "first axis, other values, out of range",
    [I([[0, 5], [1, 2]]), C([3]), V([-0.5, 2])],
    lambda i, d, v: one_hot(i, v, 3, 0),
    {"axis": 0},
)
case("Shape", "all", [D((2, 3, 4))], lambda x: torch.tensor([2, 3, 4]))
case("Shape", "part", [D((2, 3, 4))], lambda x: torch.tensor([3]), {"start": -2, "end": -1})
case("Shape", "beyond", [D((2, 3))], lambda x: torch.tensor([2, 3]), {"start": -5, "end": 9})
case("Range", "forward", [C(2), C(9), C(3)], lambda *_: torch.arange(2, 9, 3))
case("Range", "backward", [C(5), C(-1), C(-2)], lambda *_: torch.arange(5, -1, -2))
case("Range", "nothing", [C(3), C(3), C(1)], lambda *_: torch.arange(3, 3, 1))

# --- normalisation ----------------------------------------------------------------------------------------------------
for op, f in [("Softmax", torch.softmax), ("LogSoftmax", torch.log_softmax)]:
    case(op, "default axis", [D((2, 3, 4))], lambda x, f=f: f(x, -1))
    case(op, "axis 0", [D((3, 5))], lambda x, f=f: f(x, 0), {"axis": 0})
    case(op, "middle axis", [D((2, 3, 2))], lambda x, f=f: f(x, 1), {"axis": -2})
    case(op, "axis of one", [D((3, 1))], lambda x, f=f: f(x, -1))
    case(op, "empty batch", [D((0, 3))], lambda x, f=f: f(x, -1))
    case(op, "large values", [V([[1000, 1001, 998], [-1000, -1000, -1001]])], lambda x, f=f: f(x, -1))
case(
    "Softmax",
    "masked entries",
    [V([[1, float("-inf"), 2], [float("-inf"), float("-inf"), 3]])],
    lambda x: torch.softmax(x, -1),
    kink=True,
)
case(
    "Softmax",
    "a row masked wholly is NaN",
    [V([[float("-inf"), float("-inf")], [1, 2]])],
    lambda x: torch.softmax(x, -1),
    kink=True,
)
for name, shape, axis, eps in [
    ("default", (3, 5), -1, None),
    ("two axes", (2, 3, 4), 1, None),
    ("epsilon", (2, 3, 4), -1, 0.5),
    ("one feature", (3, 1), -1, None),
    ("whole", (2, 3), 0, None),
    ("empty batch", (0, 3), -1, None),
]:
    tail = shape[axis:] if axis < 0 else shape[axis:]
    attrs = {**({} if axis == -1 else {"axis": axis}), **({} if eps is None else {"epsilon": eps})}
    e = 1e-5 if eps is None else eps
    case(
        "LayerNormalization",
        name,
        [D(shape), D(tail), D(tail)],
        lambda x, s, b, tail=tail, e=e: F.layer_norm(x, tail, s, b, e),
        attrs,
    )
    case("RMSNormalization", name, [D(shape), D(tail)], lambda x, s, tail=tail, e=e: F.rms_norm(x, tail, s, e), attrs)
case("LayerNormalization", "no bias", [D((2, 4)), D((4,))], lambda x, s: F.layer_norm(x, (4,), s, None, 1e-5))
case(
    "LayerNormalization",
    "statistics",
    [D((3, 4)), D((4,)), D((4,))],
    lambda x, s, b: (
        F.layer_norm(x, (4,), s, b, 1e-5),
        x.mean(-1, keepdim=True),
        (x.var(-1, unbiased=False, keepdim=True) + 1e-5).rsqrt(),
    ),
)
case(
    "LayerNormalization",
    "constant rows",
    [V([[2, 2, 2], [1, 2, 3]]), D((3,)), D((3,))],
    lambda x, s, b: F.layer_norm(x, (3,), s, b, 1e-5),
    kink=True,
)


# --- losses -----------------------------------------------------------------------------------------------------------
def losses(reduction, ignore):
    return {
        **({} if reduction == "mean" else {"reduction": reduction}),
        **({} if ignore is None else {"ignore_index": ignore}),
    }


for reduction in ("mean", "sum", "none"):
    for name, shape, labels, weighted, ignore in [
        ("plain", (3, 5), [4, 0, 2], False, None),
        ("weights", (3, 4), [3, 3, 0], True, None),
        ("ignored", (4, 3), [1, -100, 2, -100], False, -100),
        ("ignored, weights, positions", (2, 3, 2), [[0, 2], [1, 2]], True, 2),
        ("positions", (2, 3, 1, 2), [[[0, 2]], [[1, 1]]], False, None),
        ("one class", (2, 1), [0, 0], False, None),
    ]:
        w = [D((shape[1],), 0.25, 2, constant=True)] if weighted else []
        kw = {"reduction": reduction, "ignore_index": -100 if ignore is None else ignore}
        title = f"{name}, {reduction}"
        case(
            "NegativeLogLikelihoodLoss",
            title,
            [D(shape), I(labels), *w],
            lambda x, y, w=None, kw=kw: F.nll_loss(x, y, w, **kw),
            losses(reduction, ignore),
        )
        case(
            "SoftmaxCrossEntropyLoss",
            title,
            [D(shape), I(labels), *w],
            lambda x, y, w=None, kw=kw: (F.cross_entropy(x, y, w, **kw), F.log_softmax(x, 1)),
            losses(reduction, ignore),
        )
case(
    "SoftmaxCrossEntropyLoss",
    "large logits",
    [V([[900, -900, 0], [-900, 900, 3]]), I([0, 0])],
    lambda x, y: (F.cross_entropy(x, y), F.log_softmax(x, 1)),
)
case(
    "SoftmaxCrossEntropyLoss",
    "int32 labels",
    [D((2, 3)), I([1, 2], "int32")],
    lambda x, y: (F.cross_entropy(x, y.long()), F.log_softmax(x, 1)),
)
case(
    "NegativeLogLikelihoodLoss",
    "empty, sum",
    [D((0, 3)), I(np.zeros((0,)))],
    lambda x, y: F.nll_loss(x, y, reduction="sum"),
    {"reduction": "sum"},
)
case("Dropout", "not training is the identity", [D((2, 3)), V(0.5, constant=True)], lambda x, r: x.clone())
case(
    "Dropout",
    "ratio 0 in training",
    [D((2, 3)), V(0, constant=True), Input(np.array(True), "bool", True)],
    lambda x, *_: x.clone(),
)


# --- recurrence -------------------------------------------------------------------------------------------------------
def gru(x, w, r, bias=None, lens=None, h0=None, linear_before_reset=0):
    """ONNX GRU-22, forward: gates in the order update, reset, hidden. x [T,B,I], w [1,3H,I], r [1,3H,H], bias [1,6H],
    h0 [1,B,H].
    """
    hidden = r.shape[2]
    h = torch.zeros(x.shape[1], hidden, dtype=torch.float64) if h0 is None else h0[0]
    wb, rb = (torch.zeros(2, 3 * hidden, dtype=torch.float64) if bias is None else bias[0].reshape(2, 3 * hidden))
    wz, wr, wh = w[0].split(hidden)
    rz, rr, rh = r[0].split(hidden)
    wbz, wbr, wbh = wb.split(hidden)
    rbz, rbr, rbh = rb.split(hidden)
    ys = []
    for xt in x:
        z = torch.sigmoid(xt @ wz.T + h @ rz.T + wbz + rbz)
        reset = torch.sigmoid(xt @ wr.T + h @ rr.T + wbr + rbr)
        if linear_before_reset:
            n = torch.tanh(xt @ wh.T + wbh + reset * (h @ rh.T + rbh))
        else:
            n = torch.tanh(xt @ wh.T + wbh + (reset * h) @ rh.T + rbh)
        h = (1 - z) * n + z * h
        ys.append(h)
    return torch.stack(ys).unsqueeze(1), h.unsqueeze(0)


def torch_gru(x, w, r, bias, lens, h0):
    """The same through torch.nn.GRU (gates reset, update, new), which is linear_before_reset = 1."""
    def reorder(m):
        z, reset, n = m.chunk(3)
        return torch.cat([reset, z, n])

    hidden = r.shape[2]
    module = torch.nn.GRU(w.shape[2], hidden).double()
    parameters = {
        "weight_ih_l0": reorder(w[0]),
        "weight_hh_l0": reorder(r[0]),
        "bias_ih_l0": reorder(bias[0, : 3 * hidden]),
        "bias_hh_l0": reorder(bias[0, 3 * hidden :]),
    }
    y, h = torch.func.functional_call(module, parameters, (x, h0))
    return y.unsqueeze(1), h


for lbr in (0, 1):
    a = {"hidden_size": 3, "linear_before_reset": lbr}
    f = lambda *x, lbr=lbr: gru(*x, linear_before_reset=lbr)
    case(
        "GRU",
        f"everything, linear_before_reset {lbr}",
        [D((3, 2, 2)), D((1, 9, 2)), D((1, 9, 3)), D((1, 18)), None, D((1, 2, 3))],
        f,
        a,
    )
    case("GRU", f"weights only, linear_before_reset {lbr}", [D((2, 1, 2)), D((1, 9, 2)), D((1, 9, 3))], f, a)
    case("GRU", f"one step, linear_before_reset {lbr}", [D((1, 3, 1)), D((1, 9, 1)), D((1, 9, 3)), D((1, 18))], f, a)
    case(
        "GRU",
        f"initial state, no bias, linear_before_reset {lbr}",
        [D((2, 2, 1)), D((1, 9, 1)), D((1, 9, 3)), None, None, D((1, 2, 3))],
        f,
        a,
    )
case(
    "GRU",
    "torch.nn.GRU",
    [D((4, 2, 3)), D((1, 6, 3)), D((1, 6, 2)), D((1, 12)), None, D((1, 2, 2))],
    torch_gru,
    {"hidden_size": 2, "linear_before_reset": 1},
)


network_cases.add(case, unary, D, V, I, C, B, Input)


if __name__ == "__main__":
    target = pathlib.Path(__file__).parent.parent / "fixtures" / "operators.json"
    names = [(c["op"], c["name"]) for c in CASES]
    assert len(set(names)) == len(names), [n for n in names if names.count(n) > 1]
    lines = ",\n".join(json.dumps(c, separators=(",", ":")) for c in CASES)
    target.write_text(f'{{"torch":"{torch.__version__}","cases":[\n{lines}\n]}}\n')
    print(f"{len(CASES)} cases, {len(set(c['op'] for c in CASES))} operators, {target.stat().st_size} bytes")
