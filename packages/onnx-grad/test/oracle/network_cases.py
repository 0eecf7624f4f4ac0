"""Cases of generate.py: Einsum, convolutions, recurrent cells, batch normalisation, attention, products, and selections
by data.
"""
import numpy as np
import torch
import torch.nn.functional as F


def add(case, unary, D, V, I, C, B, Input):
    # --- elementary functions -----------------------------------------------------------------------------------------
    unary("Tan", torch.tan, -1.2, 1.2)
    unary("Atan", torch.atan, -4, 4)
    unary("Sinh", torch.sinh)
    unary("Cosh", torch.cosh)
    unary("Softsign", F.softsign, -4, 4, gap=0.1)
    case("Softsign", "at zero", [V([0, -1, 3])], F.softsign, kink=True)
    case("Atan", "large", [V([-1e4, 1e4])], torch.atan)

    # --- products -----------------------------------------------------------------------------------------------------
    def prod(x, dims, keep):
        for d in sorted((d % x.dim() for d in dims), reverse=True):
            x = x.prod(d, keepdim=keep)
        return x

    case("ReduceProd", "all axes", [D((2, 3))], lambda x: prod(x, [0, 1], True))
    case(
        "ReduceProd",
        "outer axes dropped",
        [D((2, 3, 2)), C([-1, 0])],
        lambda x, a: prod(x, [0, 2], False),
        {"keepdims": 0},
    )
    case("ReduceProd", "axis of one", [D((3, 1)), C([1])], lambda x, a: prod(x, [1], True))
    case("ReduceProd", "seven elements", [D((2, 7)), C([1])], lambda x, a: prod(x, [1], True))
    case(
        "ReduceProd",
        "zeros",
        [V([[1, 0, 3, 2], [0, 2, 0, -1], [2, -3, 1, 0.5], [0, 0, 0, 4]]), C([1])],
        lambda x, a: prod(x, [1], True),
    )
    case(
        "ReduceProd",
        "a zero, axis dropped",
        [V([[0, 2], [3, 0.5]]), C([0])],
        lambda x, a: prod(x, [0], False),
        {"keepdims": 0},
    )
    case("ReduceProd", "no axes, no operation", [D((2, 3)), C([])], lambda x, a: x.clone(), {"noop_with_empty_axes": 1})
    case("ReduceProd", "scalar", [D(())], lambda x: x.clone())
    case("ReduceProd", "empty batch", [D((0, 3)), C([1])], lambda x, a: prod(x, [1], True))

    # --- Einsum -------------------------------------------------------------------------------------------------------
    for equation, *shapes in [
        ("ij,jk->ik", (2, 3), (3, 4)),
        ("ij,jk", (2, 3), (3, 4)),
        ("kj,ij->ki", (4, 3), (2, 3)),
        ("bij,bjk->bik", (2, 3, 4), (2, 4, 5)),
        ("bhqd,bhkd->bhqk", (2, 3, 4, 5), (2, 3, 6, 5)),
        ("bqhd,bkhd->bhqk", (2, 4, 3, 5), (2, 6, 3, 5)),
        ("ij->ji", (2, 3)),
        ("ij", (2, 3)),
        ("ij->i", (2, 3)),
        ("ij->", (2, 3)),
        ("ii->i", (3, 3)),
        ("ii->", (3, 3)),
        ("iji->j", (3, 2, 3)),
        ("ii,ij->j", (3, 3), (3, 2)),
        ("i,j->ij", (2, 3)[:1], (3,)),
        ("i,i->", (3,), (3,)),
        ("i,i->i", (3,), (3,)),
        ("ij,k->i", (2, 3), (4,)),
        ("...ij,...jk->...ik", (5, 2, 3), (1, 3, 4)),
        ("...ij,...jk->...ik", (2, 1, 3, 4), (1, 5, 4, 2)),
        ("...i->...", (2, 3, 4)),
        ("b...d,d->b...", (2, 3, 4), (4,)),
        ("ij,kj,lj->ikl", (2, 3), (4, 3), (5, 3)),
        ("abc,cd,de->abe", (2, 3, 4), (4, 5), (5, 2)),
        ("bnd,bnd,dr->bnr", (2, 3, 4), (2, 3, 4), (4, 5)),
        ("bi,bj,bij->b", (2, 3), (2, 4), (2, 3, 4)),
    ]:
        name = f"{equation} {' '.join('x'.join(map(str, s)) for s in shapes)}"
        case("Einsum", name, [D(s) for s in shapes], lambda *x, e=equation: torch.einsum(e, *x), {"equation": equation})
    case(
        "Einsum",
        "empty batch",
        [D((0, 2, 3)), D((3, 4))],
        lambda a, b: torch.einsum("bij,jk->bik", a, b),
        {"equation": "bij, jk -> bik"},
    )
    case(
        "Einsum",
        "upper case and spaces",
        [D((2, 3)), D((3, 2))],
        lambda a, b: torch.einsum("Bi,iB->B", a, b),
        {"equation": " B i , i B -> B "},
    )

    # --- convolutions -------------------------------------------------------------------------------------------------
    def padded(x, pads):
        half = len(pads) // 2
        flat = [p for i in reversed(range(half)) for p in (pads[i], pads[i + half])]
        return F.pad(x, flat)

    def conv(x, w, b=None, strides=None, dilations=None, pads=None, group=1):
        n = x.dim() - 2
        f = (F.conv1d, F.conv2d, F.conv3d)[n - 1]
        return f(padded(x, pads or [0] * 2 * n), w, b, stride=strides or 1, dilation=dilations or 1, groups=group)

    def conv_transpose(x, w, b=None, strides=None, dilations=None, pads=None, group=1, output_padding=None):
        n = x.dim() - 2
        f = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[n - 1]
        y = f(x, w, b, stride=strides or 1, dilation=dilations or 1, groups=group, output_padding=output_padding or 0)
        pads = pads or [0] * 2 * n
        for i in range(n):
            y = y.narrow(i + 2, pads[i], y.shape[i + 2] - pads[i] - pads[i + n])
        return y

    for name, x, w, attributes in [
        ("one axis", (2, 3, 7), (4, 3, 2), {}),
        ("kernel of one", (2, 3, 7), (4, 3, 1), {}),
        ("causal, dilation 1", (2, 3, 7), (4, 3, 3), {"pads": [2, 0]}),
        ("causal, dilation 2", (2, 3, 7), (3, 3, 3), {"dilations": [2], "pads": [4, 0]}),
        ("causal, dilation 4", (5, 2, 7), (3, 2, 2), {"dilations": [4], "pads": [4, 0]}),
        ("stride 2", (2, 3, 8), (4, 3, 3), {"strides": [2]}),
        ("stride 2, nothing left over", (2, 3, 9), (4, 3, 3), {"strides": [2], "pads": [1, 1]}),
        ("stride 3, dilation 2, pads", (2, 2, 11), (3, 2, 2), {"strides": [3], "dilations": [2], "pads": [2, 1]}),
        ("two groups", (2, 4, 6), (6, 2, 3), {"group": 2, "pads": [1, 1]}),
        (
            "two groups, stride 2, dilation 2",
            (3, 4, 9),
            (2, 2, 3),
            {"group": 2, "strides": [2], "dilations": [2], "pads": [1, 2]},
        ),
        ("depthwise", (2, 3, 6), (3, 1, 3), {"group": 3, "pads": [2, 0]}),
        ("two axes", (2, 3, 5, 6), (4, 3, 2, 3), {}),
        (
            "two axes, everything",
            (2, 4, 7, 6),
            (6, 2, 3, 2),
            {"group": 2, "strides": [2, 1], "dilations": [1, 2], "pads": [1, 0, 2, 2]},
        ),
        ("a horizontal filter", (2, 1, 5, 4), (3, 1, 2, 4), {}),
        ("kernel of the whole length", (2, 3, 5), (4, 3, 5), {}),
    ]:
        spatial = tuple(range(2, len(x))) if not attributes.get("strides") else ()
        free = (0, *spatial) if len(x) == 3 else (0,)
        case(
            "Conv",
            name,
            [D(x, free=free), D(w, free=()), D((w[0],), free=())],
            lambda x, w, b, a=attributes: conv(x, w, b, **a),
            attributes,
        )
    case("Conv", "no bias", [D((2, 3, 7), free=(0, 2)), D((4, 3, 2), free=())], conv)
    case("Conv", "three axes", [D((2, 2, 3, 4, 3), free=(0,)), D((3, 2, 2, 2, 2), free=())], conv)
    case(
        "Conv",
        "kernel_shape given",
        [D((2, 3, 7), free=(0, 2)), D((4, 3, 2), free=())],
        conv,
        {"kernel_shape": [2], "auto_pad": "VALID"},
    )
    for mode, x, w, a in [
        ("UPPER", (2, 2, 8), (3, 2, 4), {}),
        ("LOWER", (2, 2, 8), (3, 2, 4), {}),
        ("UPPER", (2, 2, 9), (3, 2, 2), {"strides": [2]}),
        ("LOWER", (2, 2, 5, 6), (3, 2, 3, 2), {"strides": [2, 2]}),
    ]:
        totals = [
            max(0, (-(-length // s) - 1) * s + k - length)
            for length, k, s in zip(x[2:], w[2:], a.get("strides", [1] * (len(x) - 2)))
        ]
        less, more = [t // 2 for t in totals], [t - t // 2 for t in totals]
        pads = less + more if mode == "UPPER" else more + less
        case(
            "Conv",
            f"SAME_{mode} {'x'.join(map(str, x))}",
            [D(x, free=(0,)), D(w, free=())],
            lambda x, w, a=a, p=pads: conv(x, w, pads=p, **a),
            {**a, "auto_pad": f"SAME_{mode}"},
        )

    for name, x, w, attributes in [
        ("one axis", (2, 3, 5), (3, 4, 2), {}),
        ("stride 2", (2, 3, 5), (3, 4, 3), {"strides": [2]}),
        ("stride 3, output padding", (2, 3, 4), (3, 2, 2), {"strides": [3], "output_padding": [2], "pads": [1, 0]}),
        ("dilation 2, one-sided pads", (2, 3, 7), (3, 2, 3), {"dilations": [2], "pads": [4, 0]}),
        ("two groups", (2, 4, 5), (4, 3, 3), {"group": 2, "strides": [2], "pads": [1, 1]}),
        ("depthwise", (2, 3, 5), (3, 1, 2), {"group": 3}),
        (
            "two axes, everything",
            (2, 4, 3, 4),
            (4, 3, 3, 2),
            {"group": 2, "strides": [2, 1], "dilations": [1, 2], "pads": [1, 0, 0, 1], "output_padding": [1, 0]},
        ),
    ]:
        m = w[1] * attributes.get("group", 1)
        free = (0, 2) if len(x) == 3 else (0,)
        case(
            "ConvTranspose",
            name,
            [D(x, free=free), D(w, free=()), D((m,), free=())],
            lambda x, w, b, a=attributes: conv_transpose(x, w, b, **a),
            attributes,
        )
    case("ConvTranspose", "no bias", [D((2, 3, 5), free=(0, 2)), D((3, 4, 2), free=())], conv_transpose)

    # --- batch normalisation ------------------------------------------------------------------------------------------
    def batch_norm(x, s, b, m, v, epsilon=1e-5, momentum=float(np.float32(0.9)), training=False):
        if not training:  # F.batch_norm has no gradient for the given mean and variance
            along = lambda t: t.reshape(-1, *[1] * (x.dim() - 2))
            y = (x - along(m)) / (along(v) + epsilon).sqrt() * along(s) + along(b)
            assert torch.allclose(y, F.batch_norm(x, m.detach(), v.detach(), s, b, False, 0, epsilon), rtol=1e-12)
            return y
        axes = [i for i in range(x.dim()) if i != 1]
        y = F.batch_norm(x, None, None, s, b, True, 0, epsilon)
        return (
            y,
            m * momentum + x.mean(axes) * (1 - momentum),
            v * momentum + x.var(axes, unbiased=False) * (1 - momentum),
        )

    for shape in [(5, 3), (2, 3, 5), (2, 3, 4, 5)]:
        c = shape[1]
        parts = [D(shape), D((c,)), D((c,)), D((c,)), D((c,), 0.25, 2)]
        name = "x".join(map(str, shape))
        case("BatchNormalization", f"inference {name}", parts, batch_norm)
        case(
            "BatchNormalization",
            f"training {name}",
            parts,
            lambda *x: batch_norm(*x, training=True),
            {"training_mode": 1},
        )
    parts = [D((3, 2, 4)), D((2,)), D((2,)), D((2,)), D((2,), 0.25, 2)]
    case("BatchNormalization", "inference, epsilon", parts, lambda *x: batch_norm(*x, epsilon=0.5), {"epsilon": 0.5})
    case(
        "BatchNormalization",
        "training, epsilon and momentum",
        parts,
        lambda *x: batch_norm(*x, 0.5, 0.25, True),
        {"epsilon": 0.5, "momentum": 0.25, "training_mode": 1},
    )
    case(
        "BatchNormalization",
        "inference, empty batch",
        [D((0, 3)), D((3,)), D((3,)), D((3,)), D((3,), 0.25, 2)],
        batch_norm,
    )

    # --- LSTM ---------------------------------------------------------------------------------------------------------
    def lstm(x, w, r, bias=None, lens=None, h0=None, c0=None):
        """ONNX LSTM-22, forward: gates in the order input, output, forget, cell."""
        hidden = r.shape[2]
        zeros = torch.zeros(x.shape[1], hidden, dtype=torch.float64)
        h, c = (zeros if s is None else s[0] for s in (h0, c0))
        b = 0 if bias is None else sum(bias[0].chunk(2))
        ys = []
        for xt in x:
            i, o, f, g = (xt @ w[0].T + h @ r[0].T + b).chunk(4, 1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            ys.append(h)
        return torch.stack(ys).unsqueeze(1), h.unsqueeze(0), c.unsqueeze(0)

    def torch_lstm(x, w, r, bias, lens, h0, c0):
        """The same through torch.nn.LSTM (gates input, forget, cell, output)."""
        def reorder(m):
            i, o, f, g = m.chunk(4)
            return torch.cat([i, f, g, o])

        hidden = r.shape[2]
        module = torch.nn.LSTM(w.shape[2], hidden).double()
        b = bias[0].chunk(2)
        parameters = {
            "weight_ih_l0": reorder(w[0]),
            "weight_hh_l0": reorder(r[0]),
            "bias_ih_l0": reorder(b[0]),
            "bias_hh_l0": reorder(b[1]),
        }
        y, (h, c) = torch.func.functional_call(module, parameters, (x, (h0, c0)))
        return y.unsqueeze(1), h, c

    def cell(T, N, I_, H, *more):
        """X with a symbolic batch, weights and states."""
        extra = {"B": D((1, 8 * H), free=()), "h": D((1, N, H), free=(1,)), "c": D((1, N, H), free=(1,))}
        weights = [D((T, N, I_), free=(1,)), D((1, 4 * H, I_), free=()), D((1, 4 * H, H), free=())]
        full = [
            *weights,
            extra["B"] if "B" in more else None,
            None,
            extra["h"] if "h" in more else None,
            extra["c"] if "c" in more else None,
        ]
        while full[-1] is None:
            full.pop()
        return full

    a = {"hidden_size": 3}
    case("LSTM", "everything", cell(4, 2, 2, 3, "B", "h", "c"), lstm, a)
    case("LSTM", "weights only", cell(3, 2, 2, 3), lstm, a)
    case("LSTM", "one step", cell(1, 5, 1, 3, "B"), lstm, a)
    case("LSTM", "initial state alone", cell(2, 2, 1, 3, "h"), lstm, a)
    case("LSTM", "initial cell alone", cell(2, 2, 1, 3, "c"), lstm, a)
    case("LSTM", "torch.nn.LSTM", cell(4, 2, 3, 2, "B", "h", "c"), torch_lstm, {"hidden_size": 2})
    case(
        "LSTM",
        "the last state only",
        cell(3, 2, 2, 2, "B"),
        lambda *x: (lambda y, h, c: (y.detach(), h, c.detach()))(*lstm(*x)),
        {"hidden_size": 2},
    )
    case(
        "LSTM",
        "the last cell only",
        cell(3, 2, 2, 2, "B"),
        lambda *x: (lambda y, h, c: (y.detach(), h.detach(), c))(*lstm(*x)),
        {"hidden_size": 2},
    )

    # --- attention ----------------------------------------------------------------------------------------------------
    def attention(q, k, v, mask=None, is_causal=0, scale=None, softcap=0.0):
        g = q.shape[1] // k.shape[1]
        k, v = k.repeat_interleave(g, 1), v.repeat_interleave(g, 1)
        s = q @ k.transpose(-1, -2) * (q.shape[-1] ** -0.5 if scale is None else scale)
        if softcap:
            s = softcap * torch.tanh(s / softcap)
        if mask is not None:
            s = s.masked_fill(~mask, float("-inf")) if mask.dtype == torch.bool else s + mask
        if is_causal:
            s = s.masked_fill(~torch.ones(s.shape[-2:], dtype=torch.bool).tril(), float("-inf"))
        return torch.softmax(s, -1) @ v

    def heads(B_, H, Hk, Tq, Tk, d, dv=None):
        return [D((B_, H, Tq, d), free=(0, 2)), D((B_, Hk, Tk, d), free=(0, 2)), D((B_, Hk, Tk, dv or d), free=(0, 2))]

    seen = B(np.random.RandomState(3).uniform(size=(2, 1, 3, 5)) < 0.6)
    seen.array[..., 0] = True
    sdpa = F.scaled_dot_product_attention
    case("Attention", "plain", heads(2, 3, 3, 4, 5, 6), sdpa)
    case(
        "Attention", "causal", heads(2, 1, 1, 3, 3, 4), lambda q, k, v: sdpa(q, k, v, is_causal=True), {"is_causal": 1}
    )
    case("Attention", "grouped queries", heads(2, 4, 2, 3, 5, 4), lambda q, k, v: sdpa(q, k, v, enable_gqa=True))
    case(
        "Attention",
        "grouped queries, causal, scale",
        heads(2, 4, 2, 3, 3, 4),
        lambda q, k, v: sdpa(q, k, v, is_causal=True, scale=0.3, enable_gqa=True),
        {"is_causal": 1, "scale": 0.3},
    )
    case("Attention", "mask of bools", [*heads(2, 2, 2, 3, 5, 4), seen], sdpa)
    case("Attention", "mask of floats", [*heads(2, 2, 2, 3, 5, 4), D((2, 1, 3, 5), free=(0, 2, 3))], attention)
    case("Attention", "mask of floats for all", [*heads(2, 2, 1, 3, 5, 4), D((3, 5))], attention)
    case(
        "Attention",
        "mask and causal",
        [*heads(2, 2, 2, 3, 5, 4), seen],
        lambda *x: attention(*x, is_causal=1),
        {"is_causal": 1},
    )
    case("Attention", "softcap", heads(2, 2, 2, 3, 5, 4), lambda *x: attention(*x, softcap=1.5), {"softcap": 1.5})
    case(
        "Attention",
        "softcap and mask",
        [*heads(2, 2, 2, 3, 5, 4), seen],
        lambda *x: attention(*x, softcap=1.5),
        {"softcap": 1.5},
    )
    case("Attention", "values of another size", heads(2, 2, 2, 3, 5, 4, 7), sdpa)
    case("Attention", "one query", heads(2, 2, 2, 1, 5, 4), sdpa)

    def rotary(x, cos, sin, ids=None, interleaved=0, num_heads=0, rotary_embedding_dim=0):
        three = x.dim() == 3
        if three:
            x = x.unflatten(2, (num_heads, -1)).transpose(1, 2)
        r = rotary_embedding_dim or x.shape[-1]
        turned, rest = x[..., :r], x[..., r:]
        cos, sin = ((t if ids is None else t[ids]).unsqueeze(1) for t in (cos, sin))
        a, b = (turned[..., 0::2], turned[..., 1::2]) if interleaved else turned.chunk(2, -1)
        real, imaginary = cos * a - sin * b, sin * a + cos * b
        y = torch.stack([real, imaginary], -1).flatten(-2) if interleaved else torch.cat([real, imaginary], -1)
        y = torch.cat([y, rest], -1)
        return y.transpose(1, 2).flatten(2) if three else y

    ids = I([[0, 1, 2, 3, 4], [5, 6, 2, 0, 1]])
    for interleaved in (0, 1):
        k = {"interleaved": interleaved}
        case(
            "RotaryEmbedding",
            f"positions, interleaved {interleaved}",
            [D((2, 3, 5, 4), free=(0, 2)), D((7, 2), constant=True), D((7, 2), constant=True), ids],
            lambda *x, k=k: rotary(*x, **k),
            k,
        )
        case(
            "RotaryEmbedding",
            f"part of a head, interleaved {interleaved}",
            [D((2, 3, 5, 6), free=(0, 2)), D((7, 2), constant=True), D((7, 2), constant=True), ids],
            lambda *x, k=k: rotary(*x, **k, rotary_embedding_dim=4),
            {**k, "rotary_embedding_dim": 4},
        )
        case(
            "RotaryEmbedding",
            f"no positions, interleaved {interleaved}",
            [D((2, 3, 5, 4), free=()), D((2, 5, 2), constant=True), D((2, 5, 2), constant=True)],
            lambda *x, k=k: rotary(*x, **k),
            k,
        )
        case(
            "RotaryEmbedding",
            f"three axes, interleaved {interleaved}",
            [D((2, 5, 12), free=(0, 1)), D((7, 2), constant=True), D((7, 2), constant=True), ids],
            lambda *x, k=k: rotary(*x, **k, num_heads=3),
            {**k, "num_heads": 3},
        )

    # --- selections ---------------------------------------------------------------------------------------------------
    def nonzero(x):
        return x.detach().nonzero().T

    case("NonZero", "floats", [V([[1, 0, -2], [0, 0, 3]])], nonzero)
    case("NonZero", "a vector of bools", [B([True, False, True])], nonzero)
    case("NonZero", "int64", [I([[0, 5], [6, 0]])], nonzero)
    case("NonZero", "nothing", [I([0, 0, 0])], nonzero)
    constant = lambda values: Input(np.array(values, dtype=bool), "bool", True)
    case("Compress", "rows", [D((3, 2)), B([True, False, True])], lambda x, m: x[m], {"axis": 0})
    case("Compress", "negative axis", [D((2, 4)), B([False, True, True, False])], lambda x, m: x[:, m], {"axis": -1})
    case("Compress", "middle axis", [D((2, 3, 4)), B([False, False, True])], lambda x, m: x[:, m], {"axis": 1})
    case("Compress", "flattened", [D((2, 3)), B([True, False, False, True, True, False])], lambda x, m: x.flatten()[m])
    case("Compress", "a short condition", [D((4, 2)), B([False, True])], lambda x, m: x[1:2], {"axis": 0})
    case("Compress", "nothing", [D((3, 2)), B([False, False, False])], lambda x, m: x[m], {"axis": 0})
    case(
        "Compress",
        "a constant condition",
        [D((3, 2)), constant([True, False, True])],
        lambda x, m: x[[0, 2]],
        {"axis": 0},
    )
    case("Compress", "int64", [I([5, 6, 7]), B([True, False, True])], lambda x, m: x[m], {"axis": 0})
