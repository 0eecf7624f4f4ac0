"""Writes random programs of operators, with the loss and the gradients that PyTorch computes for them in float64.

Versions: Python 3.11, torch 2.15.0, numpy 2.4.6. Run from the package folder:
    python test/oracle/random_programs.py                         test/fixtures/random-programs.json, which the tests
    run
    python test/oracle/random_programs.py 1500 7 /some/file.json  so many programs from that seed; run by
    ONNX_GRAD_PROGRAMS=<file>

A program is {float, inputs: [{shape, data}], steps: [{op, attributes, inputs: [value or constant], outputs}], loss,
gradients}. Values are numbered: the inputs first, then every output of every step. The loss is the sum over all values
of mean(sin(value)). Programs of "float64" use operators that onnxruntime computes in float64; those of "float32" use
all.
"""
import json
import math
import pathlib
import sys

import numpy as np
import torch
import torch.nn.functional as F


class Skip(Exception):
    """The operator does not fit the value that was drawn: another one is drawn."""


class Program:
    def __init__(self, random, double):
        self.random, self.double = random, double
        self.inputs, self.values, self.steps = [], [], []
        self.pending = []

    def pick(self, test=lambda v: True):
        fitting = [i for i, v in enumerate(self.values) if test(v)]
        if not fitting:
            raise Skip
        return fitting[self.random.randint(len(fitting))]

    def fresh(self, *shape, low=-1.0, high=1.0):
        """A new input: a weight. Inputs are numbered before all outputs, so that it is entered when its step is
        kept.
        """
        data = np.round(self.random.uniform(low, high, shape) * 256) / 256
        tensor = torch.tensor(data, requires_grad=True)
        self.pending.append(tensor)
        return ("new", len(self.pending) - 1, tensor)

    def tensor(self, ref):
        return ref[2] if isinstance(ref, tuple) else self.values[ref]

    def step(self, op, refs, f, attributes=None):
        given = [self.tensor(r) if isinstance(r, (int, tuple)) else r for r in refs]
        outputs = f(*given)
        outputs = list(outputs) if isinstance(outputs, (tuple, list)) else [outputs]
        for y in outputs:
            if y.dtype == torch.float64 and (
                y.numel() == 0 or y.numel() > 300 or y.dim() > 4 or not torch.isfinite(y).all() or y.abs().max() > 30
            ):
                raise Skip
        self.steps.append({"op": op, "attributes": attributes or {}, "refs": refs, "count": len(outputs)})
        for ref in refs:
            if isinstance(ref, tuple):
                self.inputs.append(ref[2])
        self.values.extend(outputs)


def const(values, dtype="int64"):
    return {
        "dtype": dtype,
        "shape": list(np.shape(values)),
        "data": np.asarray(values).reshape(-1).astype(int).tolist(),
    }


FLOAT = lambda v: v.dtype == torch.float64
ranked = lambda low, high=9: lambda v: FLOAT(v) and low <= v.dim() <= high
smooth = lambda x, at=0.0: bool(((x - at).abs() > 2e-3).logical_or(x == at).all())


def require(condition):
    if not condition:
        raise Skip


def unary(op, f, test=lambda x: True, attributes=None):
    def add(p):
        i = p.pick(FLOAT)
        require(test(p.values[i]))
        p.step(op, [i], f, attributes)

    return add


def binary(op, f, test=lambda a, b: True):
    def add(p):
        i, j = p.pick(FLOAT), p.pick(FLOAT)
        a, b = p.values[i], p.values[j]
        try:
            torch.broadcast_shapes(a.shape, b.shape)
        except RuntimeError:
            raise Skip
        require(test(a, b))
        p.step(op, [i, j], f)

    return add


def axis_of(p, v):
    axis = int(p.random.randint(v.dim()))
    return axis, int(axis - v.dim() * p.random.randint(2))


def reduction(op, f, test=lambda x: True):
    def add(p):
        i = p.pick(ranked(1))
        x = p.values[i]
        count = 1 + p.random.randint(x.dim())
        axes = sorted(int(a) for a in p.random.permutation(x.dim())[:count])
        keep = int(p.random.randint(2))
        require(test(x))
        p.step(op, [i, const(axes)], lambda x, _: f(x, axes, bool(keep)), {"keepdims": keep})

    return add


def prod(x, axes, keep):
    for a in sorted(axes, reverse=True):
        x = x.prod(a, keepdim=keep)
    return x


def along(op, f):
    def add(p):
        i = p.pick(ranked(1))
        _, axis = axis_of(p, p.values[i])
        p.step(op, [i], lambda x: f(x, axis), {"axis": axis})

    return add


def cumsum(p):
    i = p.pick(ranked(1))
    _, axis = axis_of(p, p.values[i])
    exclusive, reverse = (int(x) for x in p.random.randint(2, size=2))

    def f(x, _):
        x = x.flip(axis) if reverse else x
        y = x.cumsum(axis) - (x if exclusive else 0)
        return y.flip(axis) if reverse else y

    p.step("CumSum", [i, const(axis)], f, {"exclusive": exclusive, "reverse": reverse})


def transpose(p):
    i = p.pick(ranked(2))
    perm = [int(a) for a in p.random.permutation(p.values[i].dim())]
    p.step("Transpose", [i], lambda x: x.permute(perm), {"perm": perm})


def reshape(p):
    i = p.pick(FLOAT)
    n = p.values[i].numel()
    divisors = [d for d in range(1, n + 1) if n % d == 0]
    d = int(divisors[p.random.randint(len(divisors))])
    shape = [[-1], [d, -1], [-1, 1, d]][p.random.randint(3)]
    p.step("Reshape", [i, const(shape)], lambda x, _: x.reshape(shape))


def concat(p):
    i = p.pick(ranked(1))
    axis, given = axis_of(p, p.values[i])
    shape = list(p.values[i].shape)
    j = p.pick(
        lambda v: FLOAT(v)
        and v.dim() == len(shape)
        and all(a == b for k, (a, b) in enumerate(zip(v.shape, shape)) if k != axis)
    )
    p.step("Concat", [i, j, i], lambda *x: torch.cat(x, axis), {"axis": given})


def slicing(p):
    i = p.pick(ranked(1))
    axis, given = axis_of(p, p.values[i])
    n = p.values[i].shape[axis]
    step = int(p.random.choice([1, 1, 2, -1, -2]))
    index = list(range(n))[slice(None, None, step)][: 1 + p.random.randint(n)]
    start, end = index[0], index[-1] + step
    end = end if end >= 0 else -(2**31)
    p.step(
        "Slice",
        [i, const([start]), const([end]), const([given]), const([step])],
        lambda x, *_: x.index_select(axis, torch.tensor(index)),
    )


def pad(p):
    i = p.pick(ranked(1))
    dims = p.values[i].dim()
    pads = [int(x) for x in p.random.randint(0, 2, size=2 * dims)]
    flat = [q for k in reversed(range(dims)) for q in (pads[k], pads[k + dims])]
    p.step("Pad", [i, const(pads)], lambda x, _: F.pad(x, flat))


def gather(p):
    i = p.pick(ranked(1))
    axis, given = axis_of(p, p.values[i])
    n = p.values[i].shape[axis]
    index = [int(k) for k in p.random.randint(-n, n, size=1 + p.random.randint(4))]
    p.step("Gather", [i, const(index)], lambda x, _: x.index_select(axis, torch.tensor(index) % n), {"axis": given})


def scatter(p):
    i = p.pick(ranked(1))
    axis, given = axis_of(p, p.values[i])
    x = p.values[i]
    index = p.random.randint(0, x.shape[axis], size=tuple(x.shape))
    update = p.pick(lambda v: FLOAT(v) and v.shape == x.shape)
    p.step(
        "ScatterElements",
        [i, const(index), update],
        lambda x, _, u: x.scatter_add(axis, torch.tensor(index), u),
        {"axis": given, "reduction": "add"},
    )


def compress(p):
    i = p.pick(ranked(1))
    axis, given = axis_of(p, p.values[i])
    n = p.values[i].shape[axis]
    seen = p.random.uniform(size=n) < 0.6
    require(seen.any())
    mask = const(seen, "bool")
    p.step("Compress", [i, mask], lambda x, _: x.index_select(axis, torch.tensor(np.nonzero(seen)[0])), {"axis": given})


def topk(p):
    i = p.pick(ranked(1))
    axis, given = axis_of(p, p.values[i])
    x = p.values[i]
    order = x.detach().sort(axis)[0]
    require(x.shape[axis] == 1 or order.diff(dim=axis).min() > 1e-3)
    k, largest = 1 + int(p.random.randint(x.shape[axis])), int(p.random.randint(2))
    p.step(
        "TopK",
        [i, const([k])],
        lambda x, _: tuple(torch.topk(x, k, axis, bool(largest))),
        {"axis": given, "largest": largest},
    )


def tile(p):
    i = p.pick(ranked(1, 3))
    repeats = [int(r) for r in p.random.randint(1, 3, size=p.values[i].dim())]
    p.step("Tile", [i, const(repeats)], lambda x, _: x.repeat(repeats))


def trilu(p):
    i = p.pick(ranked(2))
    upper = int(p.random.randint(2))
    p.step("Trilu", [i], lambda x: x.triu() if upper else x.tril(), {"upper": upper})


def where(p):
    i = p.pick(FLOAT)
    x = p.values[i]
    seen = p.random.uniform(size=tuple(x.shape)) < 0.5
    j = p.pick(lambda v: FLOAT(v) and v.shape == x.shape)
    p.step("Where", [const(seen, "bool"), i, j], lambda _, a, b: torch.where(torch.tensor(seen), a, b))


def matmul(p):
    i = p.pick(ranked(1))
    x = p.values[i]
    p.step("MatMul", [i, p.fresh(x.shape[-1], 1 + p.random.randint(4))], torch.matmul)


def einsum(p):
    """One or two values and perhaps a new weight over random labels; sizes decide which labels may be equal."""
    sizes, terms, refs = {}, [], []
    for _ in range(1 + p.random.randint(2)):
        i = p.pick(FLOAT)
        term = ""
        for n in p.values[i].shape:
            same = [l for l, size in sizes.items() if size == n]
            label = same[p.random.randint(len(same))] if same and p.random.uniform() < 0.6 else "abcdefgh"[len(sizes)]
            sizes[label] = n
            term += label
        terms.append(term)
        refs.append(i)
    require(sizes)
    if p.random.randint(2):
        label = list(sizes)[p.random.randint(len(sizes))]
        refs.append(p.fresh(sizes[label], 2))
        terms.append(label + "z")
        sizes["z"] = 2
    kept = [l for l in sizes if p.random.uniform() < 0.6]
    p.random.shuffle(kept)
    equation = ",".join(terms) + "->" + "".join(kept)
    p.step("Einsum", refs, lambda *x: torch.einsum(equation, *x), {"equation": equation})


def layer_norm(op):
    def add(p):
        i = p.pick(ranked(1))
        n = p.values[i].shape[-1]
        require(n > 1)
        if op == "LayerNormalization":
            p.step(
                op, [i, p.fresh(n), p.fresh(n)], lambda x, s, b: F.layer_norm(x, (n,), s, b, 0.125), {"epsilon": 0.125}
            )
        else:
            p.step(op, [i, p.fresh(n)], lambda x, s: F.rms_norm(x, (n,), s, 0.125), {"epsilon": 0.125})

    return add


def batch_norm(p):
    i = p.pick(ranked(2))
    x = p.values[i]
    c, dims = x.shape[1], [d for d in range(x.dim()) if d != 1]
    refs = [i, p.fresh(c), p.fresh(c), p.fresh(c), p.fresh(c, low=0.5, high=1.5)]
    shape = [-1] + [1] * (x.dim() - 2)
    training = int(p.random.randint(2))

    def f(x, s, b, m, v):
        mean, variance = (x.mean(dims), x.var(dims, unbiased=False)) if training else (m, v)
        y = (x - mean.reshape(shape)) / (variance.reshape(shape) + 0.125).sqrt() * s.reshape(shape) + b.reshape(shape)
        return (y, m * 0.75 + mean * 0.25, v * 0.75 + variance * 0.25) if training else y

    p.step("BatchNormalization", refs, f, {"epsilon": 0.125, "momentum": 0.75, "training_mode": training})


def window(p, lengths, least=1):
    pads = [int(x) for x in p.random.randint(0, 3, size=2 * len(lengths))]
    strides = [int(s) for s in p.random.randint(1, 3, size=len(lengths))]
    dilations = [int(s) for s in p.random.randint(1, 4, size=len(lengths))]
    kernel = [int(k) for k in p.random.randint(1, 4, size=len(lengths))]
    return kernel, {"pads": pads, "strides": strides, "dilations": dilations}


def padded(x, pads):
    half = len(pads) // 2
    return F.pad(x, [q for k in reversed(range(half)) for q in (pads[k], pads[k + half])])


def conv(p):
    i = p.pick(ranked(3, 4))
    x = p.values[i]
    kernel, a = window(p, x.shape[2:])
    groups = [g for g in range(1, x.shape[1] + 1) if x.shape[1] % g == 0]
    a["group"] = g = int(groups[p.random.randint(len(groups))])
    out = g * (1 + int(p.random.randint(2)))
    require(
        all(
            n + a["pads"][k] + a["pads"][k + len(kernel)] >= a["dilations"][k] * (kernel[k] - 1) + 1
            for k, n in enumerate(x.shape[2:])
        )
    )
    f = (F.conv1d, F.conv2d)[x.dim() - 3]
    refs = [i, p.fresh(out, x.shape[1] // g, *kernel), p.fresh(out)]
    p.step("Conv", refs, lambda x, w, b: f(padded(x, a["pads"]), w, b, a["strides"], 0, a["dilations"], g), a)


def conv_transpose(p):
    i = p.pick(ranked(3, 4))
    x = p.values[i]
    kernel, a = window(p, x.shape[2:])
    groups = [g for g in range(1, x.shape[1] + 1) if x.shape[1] % g == 0]
    a["group"] = g = int(groups[p.random.randint(len(groups))])
    per = 1 + int(p.random.randint(2))
    a["output_padding"] = [int(p.random.randint(s)) for s in a["strides"]]
    f = (F.conv_transpose1d, F.conv_transpose2d)[x.dim() - 3]

    def run(x, w, b):
        y = f(x, w, b, a["strides"], 0, a["output_padding"], g, a["dilations"])
        for k in range(len(kernel)):
            length = y.shape[k + 2] - a["pads"][k] - a["pads"][k + len(kernel)]
            require(length > 0)
            y = y.narrow(k + 2, a["pads"][k], length)
        return y

    p.step("ConvTranspose", [i, p.fresh(x.shape[1], per, *kernel), p.fresh(per * g)], run, a)


def lstm(p):
    i = p.pick(ranked(3, 3))
    t, n, inputs = p.values[i].shape
    h = 1 + int(p.random.randint(3))
    refs = [
        i,
        p.fresh(1, 4 * h, inputs),
        p.fresh(1, 4 * h, h),
        p.fresh(1, 8 * h),
        None,
        p.fresh(1, n, h),
        p.fresh(1, n, h),
    ]

    def f(x, w, r, b, _, h0, c0):
        state, cell, ys = h0[0], c0[0], []
        for xt in x:
            i, o, f, g = (xt @ w[0].T + state @ r[0].T + sum(b[0].chunk(2))).chunk(4, 1)
            cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
            state = o.sigmoid() * cell.tanh()
            ys.append(state)
        return torch.stack(ys).unsqueeze(1), state.unsqueeze(0), cell.unsqueeze(0)

    p.step("LSTM", refs, f, {"hidden_size": h})


def attention(p):
    i = p.pick(ranked(4, 4))
    b, h, t, d = p.values[i].shape
    divisors = [k for k in range(1, h + 1) if h % k == 0]
    hk, tk = int(divisors[p.random.randint(len(divisors))]), 1 + int(p.random.randint(4))
    causal = int(p.random.randint(2))
    refs = [i, p.fresh(b, hk, tk, d), p.fresh(b, hk, tk, d)]

    def f(q, k, v):
        k, v = k.repeat_interleave(h // hk, 1), v.repeat_interleave(h // hk, 1)
        s = 0.5 * (q @ k.transpose(-1, -2))
        if causal:
            s = s.masked_fill(~torch.ones(t, tk, dtype=torch.bool).tril(), float("-inf"))
        return torch.softmax(s, -1) @ v

    p.step("Attention", refs, f, {"is_causal": causal, "scale": 0.5})


positive = lambda x: bool((x > 0.1).all())
away = lambda x: bool((x.abs() > 0.3).all())
small = lambda limit: lambda x: bool((x.abs() < limit).all())
DOUBLE = [
    *[unary(op, f) for op, f in [("Tanh", torch.tanh), ("Sigmoid", torch.sigmoid), ("Sin", torch.sin),
        ("Cos", torch.cos), ("Neg", torch.neg), ("Identity", torch.clone)]],
    unary("Exp", torch.exp, small(3)),
    unary("Log", torch.log, positive),
    unary("Sqrt", torch.sqrt, positive),
    unary("Reciprocal", torch.reciprocal, away),
    unary("Abs", torch.abs, smooth),
    unary("Relu", torch.relu, smooth),
    binary("Add", torch.add),
    binary("Sub", torch.sub),
    binary("Mul", torch.mul),
    binary("Div", torch.div, lambda a, b: away(b)),
    binary("Max", torch.maximum, lambda a, b: smooth(a - b)),
    binary("Min", torch.minimum, lambda a, b: smooth(a - b)),
    reduction("ReduceSum", lambda x, a, k: x.sum(a, k)),
    reduction("ReduceMean", lambda x, a, k: x.mean(a, k)),
    reduction("ReduceProd", prod),
    reduction("ReduceProd", prod),
    reduction("ReduceSumSquare", lambda x, a, k: (x * x).sum(a, k)),
    reduction("ReduceL2", lambda x, a, k: torch.linalg.vector_norm(x, dim=a, keepdim=k),
        lambda x: bool((x.abs() > 0.05).any()) and x.abs().min() > 1e-3),
    reduction("ReduceLogSumExp", lambda x, a, k: x.logsumexp(a, k)),
    along("Softmax", torch.softmax),
    along("LogSoftmax", torch.log_softmax),
    cumsum, transpose, reshape, concat, slicing, pad, gather, scatter, compress, topk, tile, trilu, where, matmul,
    einsum, einsum, einsum, batch_norm, batch_norm, layer_norm("RMSNormalization"), layer_norm("LayerNormalization"),
]  # fmt: skip
SINGLE = [
    *DOUBLE,
    unary("Erf", torch.erf),
    unary("Gelu", F.gelu),
    unary("Gelu", lambda x: F.gelu(x, approximate="tanh"), attributes={"approximate": "tanh"}),
    unary("Softplus", F.softplus),
    unary("Mish", F.mish),
    unary("Elu", F.elu, smooth),
    unary("LeakyRelu", F.leaky_relu, smooth),
    unary("Tan", torch.tan, small(1.2)),
    unary("Atan", torch.atan),
    unary("Sinh", torch.sinh, small(3)),
    unary("Cosh", torch.cosh, small(3)),
    unary("Softsign", F.softsign, smooth),
    *[conv] * 6, *[conv_transpose] * 4, *[lstm] * 3, *[attention] * 3,
]  # fmt: skip


def make(random, double):
    p = Program(random, double)
    for _ in range(1 + random.randint(3)):
        rank = random.choice([0, 1, 2, 3, 3, 4])
        p.values.append(
            torch.tensor(
                np.round(random.uniform(-2, 2, tuple(random.randint(1, 6 if rank < 4 else 4, size=rank))) * 256) / 256,
                requires_grad=True,
            )
        )
    given = list(p.values)
    wanted, tries = 3 + random.randint(8), 0
    while len(p.steps) < wanted and tries < 60:
        tries += 1
        choices = DOUBLE if double else SINGLE
        p.pending = []
        try:
            choices[random.randint(len(choices))](p)
        except Skip:
            pass
    leaves = given + p.inputs
    number = {id(t): i for i, t in enumerate(leaves)}
    for v in p.values[len(given) :]:
        number[id(v)] = len(number)
    loss = sum(v.sin().mean() for v in [*leaves, *p.values[len(given) :]] if FLOAT(v))
    gradients = torch.autograd.grad(loss, leaves)
    if not all(torch.isfinite(g).all() for g in gradients) or max(g.abs().max() for g in gradients) > 1e3:
        return None
    digits = lambda t: [float(f"{x:.12g}") for x in t.detach().reshape(-1).tolist()]
    named = lambda r: number[id(p.tensor(r))] if isinstance(r, (int, tuple)) and not isinstance(r, bool) else r
    return {
        "float": "float64" if double else "float32",
        "inputs": [{"shape": list(t.shape), "data": digits(t)} for t in leaves],
        "steps": [
            {
                "op": s["op"],
                "attributes": s["attributes"],
                "inputs": [named(r) for r in s["refs"]],
                "outputs": s["count"],
            }
            for s in p.steps
        ],
        "loss": float(f"{loss.item():.12g}"),
        "gradients": [digits(g) for g in gradients],
    }


def main(count=60, seed=20261124, target=pathlib.Path(__file__).parent.parent / "fixtures" / "random-programs.json"):
    programs = []
    index = 0
    while len(programs) < count:
        program = make(np.random.RandomState((seed + index * 7919) % 2**32), double=index % 2 == 0)
        index += 1
        if program and program["steps"]:
            programs.append(program)
    used = {s["op"] for p in programs for s in p["steps"]}
    lines = ",\n".join(json.dumps(p, separators=(",", ":")) for p in programs)
    pathlib.Path(target).write_text(f"[\n{lines}\n]\n")
    print(
        f"{len(programs)} programs, {sum(len(p['steps']) for p in programs)} steps, {len(used)} operators:"
        f" {' '.join(sorted(used))}"
    )


if __name__ == "__main__":
    main(*[int(x) if k < 2 else x for k, x in enumerate(sys.argv[1:])])
