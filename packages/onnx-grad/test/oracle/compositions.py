"""Writes test/fixtures/compositions.json: losses and gradients of small models as recommenders use them, by PyTorch in
float64.

Versions: Python 3.11, torch 2.15.0, numpy 2.4.6. Run from the package folder:  python test/oracle/compositions.py
"""
import json
import pathlib

import numpy as np
import torch
import torch.nn.functional as F

random = np.random.RandomState(20261121)


def draw(*shape, scale=1.0):
    return torch.tensor(np.round(random.standard_normal(shape) * scale * 256) / 256, requires_grad=True)


def record(loss, tensors, integers=None):
    gradients = torch.autograd.grad(loss, list(tensors.values()))
    return {
        "loss": loss.item(),
        "floats": {
            name: {
                "shape": list(t.shape),
                "data": t.detach().reshape(-1).tolist(),
                "gradient": [float(f"{x:.12g}") for x in g.reshape(-1).tolist()],
            }
            for (name, t), g in zip(tensors.items(), gradients)
        },
        "integers": {
            name: {"shape": list(t.shape), "data": t.reshape(-1).tolist()} for name, t in (integers or {}).items()
        },
    }


def gaussian_kl():
    """KL(N(m1, diag s1²) ‖ N(m2, diag s2²)), mean over the batch; logarithms of the variances given."""
    t = {"mean1": draw(3, 4), "logvar1": draw(3, 4, scale=0.5), "mean2": draw(3, 4), "logvar2": draw(3, 4, scale=0.5)}
    p = torch.distributions.Normal(t["mean1"], (0.5 * t["logvar1"]).exp())
    q = torch.distributions.Normal(t["mean2"], (0.5 * t["logvar2"]).exp())
    return record(torch.distributions.kl_divergence(p, q).sum(1).mean(), t)


def softmax_kl():
    """Distillation: KL(softmax(teacher/τ) ‖ softmax(student/τ)), batchmean, τ = 2."""
    t = {"teacher": draw(3, 5, scale=2), "student": draw(3, 5, scale=2)}
    loss = F.kl_div(F.log_softmax(t["student"] / 2, -1), F.softmax(t["teacher"] / 2, -1), reduction="batchmean")
    return record(loss, t)


def masked_attention():
    """Two heads, causal with padded keys: softmax(q kᵀ / √d + mask) v, squared and summed."""
    t = {"q": draw(2, 2, 3, 4), "k": draw(2, 2, 3, 4), "v": draw(2, 2, 3, 4)}
    allowed = torch.ones(3, 3, dtype=torch.bool).tril()[None, None].repeat(2, 1, 1, 1)
    allowed[1, :, :, 0] = False
    allowed[1, :, 0, 0] = True  # every row sees at least one key
    y = F.scaled_dot_product_attention(t["q"], t["k"], t["v"], attn_mask=allowed)
    return record((y * y).sum(), t, {"allowed": allowed.to(torch.int64)})


def gru4rec():
    """Embedding rows → torch.nn.GRU → scores against the item table (tied) → cross-entropy with padding ignored."""
    table, hidden = draw(6, 4), 4
    w = {
        "weight_ih_l0": draw(3 * hidden, 4, scale=0.5),
        "weight_hh_l0": draw(3 * hidden, hidden, scale=0.5),
        "bias_ih_l0": draw(3 * hidden),
        "bias_hh_l0": draw(3 * hidden),
    }
    items = torch.tensor([[0, 5, 2, 2], [3, 3, 0, 0]])
    labels = torch.tensor([[5, 2, 2, 1], [3, 4, -100, -100]])
    module = torch.nn.GRU(4, hidden, batch_first=True).double()
    y, _ = torch.func.functional_call(module, w, (table[items],))
    loss = F.cross_entropy((y @ table.T).reshape(-1, 6), labels.reshape(-1))
    return record(loss, {"table": table, **w}, {"items": items, "labels": labels})


def multinomial_vae():
    """Mult-VAE (Liang et al. 2018): multinomial log-likelihood plus β times the KL to the standard normal; the noise is
    given.
    """
    t = {"encoder": draw(5, 6, scale=0.5), "decoder": draw(3, 5, scale=0.5), "noise": draw(2, 3)}
    x = torch.tensor([[1, 0, 0, 1, 0], [0, 1, 1, 0, 1]])
    mean, logvar = (F.normalize(x.double(), dim=1) @ t["encoder"]).tanh().chunk(2, 1)
    z = mean + (0.5 * logvar).exp() * t["noise"]
    likelihood = (F.log_softmax(z @ t["decoder"], 1) * x).sum(1).mean()
    kl = -0.5 * (1 + logvar - mean**2 - logvar.exp()).sum(1).mean()
    return record(-likelihood + 0.2 * kl, t, {"x": x})


def nextitnet():
    """NextItNet (Yuan et al. 2019): a residual block of two causal dilated convolutions (dilations 1 and 2), each
    behind its layer normalisation and ReLU, then cross-entropy of the next item at every position against the tied item
    table."""
    K = 4
    t = {"table": draw(6, K)}
    for i in (1, 2):
        t |= {f"w{i}": draw(K, K, 3, scale=0.5), f"b{i}": draw(K), f"scale{i}": draw(K), f"bias{i}": draw(K)}
    items = torch.tensor([[0, 5, 2, 2, 1], [3, 3, 0, 4, 1]])
    labels = torch.tensor([[5, 2, 2, 1, 3], [3, 0, 4, 1, -100]])
    x = y = t["table"][items]  # [B, T, K]
    for i, dilation in ((1, 1), (2, 2)):
        y = F.relu(F.layer_norm(y, (K,), t[f"scale{i}"], t[f"bias{i}"]))
        y = F.conv1d(F.pad(y.transpose(1, 2), (2 * dilation, 0)), t[f"w{i}"], t[f"b{i}"], dilation=dilation).transpose(
            1, 2
        )
    loss = F.cross_entropy(((x + y) @ t["table"].T).reshape(-1, 6), labels.reshape(-1))
    return record(loss, t, {"items": items, "labels": labels})


def batch_normalised_lstm():
    """torch.nn.LSTM over batch-normalised features (training), and attention of the last state over all states by
    Einsum.
    """
    t = {
        "x": draw(3, 5, 4),
        "scale": draw(4),
        "bias": draw(4),
        "weight_ih_l0": draw(12, 4, scale=0.5),
        "weight_hh_l0": draw(12, 3, scale=0.5),
        "bias_ih_l0": draw(12),
        "bias_hh_l0": draw(12),
    }
    # [B, T, I]
    features = F.batch_norm(t["x"].transpose(1, 2), None, None, t["scale"], t["bias"], True).transpose(1, 2)
    module = torch.nn.LSTM(4, 3, batch_first=True).double()
    states, (last, _) = torch.func.functional_call(module, {k: v for k, v in t.items() if "_l0" in k}, (features,))
    weights = torch.einsum("bth,bh->bt", states, last[0]).softmax(1)
    pooled = torch.einsum("bt,bth->bh", weights, states)
    return record(pooled.prod(1).sum() + (pooled * pooled).mean(), t)


if __name__ == "__main__":
    target = pathlib.Path(__file__).parent.parent / "fixtures" / "compositions.json"
    made = {
        f.__name__: f()
        for f in (gaussian_kl, softmax_kl, masked_attention, gru4rec, multinomial_vae, nextitnet, batch_normalised_lstm)
    }
    target.write_text(json.dumps(made, separators=(",", ":")) + "\n")
    print({name: value["loss"] for name, value in made.items()})
