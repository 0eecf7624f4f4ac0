"""Goldens for @cllm4rec/training: Adam, SparseAdam, schedules, clipping, the MAP objective, normal numbers, TensorBoard
events.

Written with Python 3, torch 2.15.0, transformers 5.23.0, safetensors 0.8.0, tensorboard 2.21.0, numpy 2.4.6. Run from
anywhere:
    python packages/training/test/oracle/generate.py
"""
import json
import math
import pathlib

import torch
from safetensors.torch import save_file
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter
from transformers import GPT2Config, GPT2Model

torch.set_num_threads(1)
FIXTURES = pathlib.Path(__file__).resolve().parent.parent / "fixtures"
FIXTURES.mkdir(exist_ok=True)


def write(name, value):
    (FIXTURES / name).write_text(json.dumps(value, separators=(",", ":")) + "\n")


def flat(tensor):
    return [float(x) for x in tensor.detach().reshape(-1)]


def adam():
    """20 steps of each optimiser over a table of 6 rows; every step has gradients for some rows only."""
    generator = torch.Generator().manual_seed(1)
    rows, width, steps, lr = 6, 5, 20, 0.05
    start = torch.randn(rows, width, generator=generator)
    plan = []
    for step in range(steps):
        # Row 5 is first touched at step 12, row 0 at every step.
        touched = [
            r
            for r in range(rows)
            if r == 0 or (r < 5 and (step * 7 + r * 3) % 4 == 0) or (r == 5 and step in (12, 13, 19))
        ]
        plan.append(
            (
                touched,
                torch.randn(len(touched), width, generator=generator)
                * 10 ** (torch.rand(1, generator=generator) * 4 - 3),
            )
        )
    dense = torch.nn.Parameter(start.clone())
    dense_optimiser = torch.optim.Adam([dense], lr=lr)
    sparse = torch.nn.Parameter(start.clone())
    sparse_optimiser = torch.optim.SparseAdam([sparse], lr=lr)
    lazy = [torch.nn.Parameter(start[r].clone()) for r in range(rows)]
    lazy_optimisers = [torch.optim.Adam([row], lr=lr) for row in lazy]
    trace = {"dense": [], "sparse": [], "lazy": []}
    for touched, gradient in plan:
        index = torch.tensor(touched)
        dense.grad = torch.zeros(rows, width).index_copy(0, index, gradient)
        dense_optimiser.step()
        sparse.grad = torch.sparse_coo_tensor(index[None], gradient, (rows, width))
        sparse_optimiser.step()
        for r, g in zip(touched, gradient):
            lazy[r].grad = g.clone()
            lazy_optimisers[r].step()
        trace["dense"].append(flat(dense))
        trace["sparse"].append(flat(sparse))
        trace["lazy"].append(flat(torch.stack(list(lazy))))
    write("adam.json", {
        "rows": rows, "width": width, "learningRate": lr, "start": flat(start),
        "gradients": [{"rows": t, "data": flat(g)} for t, g in plan], "after": trace,
    })


def schedules():
    def trace(make, steps):
        parameter = torch.nn.Parameter(torch.zeros(1))
        optimiser = torch.optim.SGD([parameter], lr=0.3)
        scheduler = make(optimiser)
        rates = []
        for _ in range(steps):
            rates.append(optimiser.param_groups[0]["lr"])
            optimiser.step()
            scheduler.step()
        return rates

    S = torch.optim.lr_scheduler
    warm = lambda o: S.LinearLR(o, start_factor=1 / 5, end_factor=1.0, total_iters=4)
    write(
        "schedules.json",
        {
            "cosine": trace(
                lambda o: S.SequentialLR(o, [warm(o), S.CosineAnnealingLR(o, T_max=20, eta_min=0.03)], milestones=[5]),
                26,
            ),
            "linear": trace(
                lambda o: S.SequentialLR(o, [warm(o), S.LinearLR(o, 1.0, 0.1, total_iters=20)], milestones=[5]), 26
            ),
            "cosineAlone": trace(lambda o: S.CosineAnnealingLR(o, T_max=10), 11),
        },
    )
    gradients = [torch.tensor([[3.0, -4.0], [0.5, 1.5]]), torch.tensor([[12.0, 0.25]])]
    parameters = [torch.nn.Parameter(torch.zeros_like(g)) for g in gradients]
    for p, g in zip(parameters, gradients):
        p.grad = g.clone()
    norm = torch.nn.utils.clip_grad_norm_(parameters, 2.0)
    write(
        "clip.json",
        {"gradients": [flat(g) for g in gradients], "norm": float(norm), "clipped": [flat(p.grad) for p in parameters]},
    )


N, I, J, K = 13, 4, 6, 8


def tiny_gpt2():
    torch.manual_seed(7)
    config = GPT2Config(
        vocab_size=N, n_positions=24, n_embd=K, n_layer=2, n_head=2, attn_pdrop=0.0, embd_pdrop=0.0, resid_pdrop=0.0
    )
    model = GPT2Model(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    folder = FIXTURES / "tiny-gpt2"
    folder.mkdir(exist_ok=True)
    save_file(
        {k: v.contiguous() for k, v in model.state_dict().items()}, folder / "model.safetensors", {"format": "pt"}
    )
    (folder / "config.json").write_text(
        json.dumps(
            {
                "model_type": "gpt2",
                "architectures": ["GPT2LMHeadModel"],
                "vocab_size": N,
                "n_positions": 24,
                "n_embd": K,
                "n_layer": 2,
                "n_head": 2,
                "n_inner": None,
                "activation_function": "gelu_new",
                "layer_norm_epsilon": 1e-5,
                "tie_word_embeddings": True,
                "attn_pdrop": 0.0,
                "embd_pdrop": 0.0,
                "resid_pdrop": 0.0,
            },
            indent=1,
        )
        + "\n"
    )
    return model


def objective():
    """The whole objective of a batch, by autograd, for three losses and two scalings."""
    model = tiny_gpt2()
    generator = torch.Generator().manual_seed(3)
    draw = lambda rows: (torch.randn(rows, K, generator=generator) * 0.5)
    fixed = {"users": draw(I), "items": draw(J)}
    start = {"users": draw(I), "items": draw(J)}
    user, item = (lambda u: N + u), (lambda j: N + I + j)
    # targets[t]: the extended id that position t predicts, or −1
    batches = {
        "next-item": [
            {"ids": [user(1), 3, 5, item(2), item(4)], "targets": [-1, -1, item(2), item(4), item(0)]},
            {"ids": [user(3), 3, 5, item(2)], "targets": [-1, -1, item(2), item(5)]},
        ],
        "next-word": [
            {"ids": [user(0), 7, item(3), 1, 9, 2], "targets": [-1, -1, -1, 9, 2, 11]},
            {"ids": [user(0), 7, item(5), 1], "targets": [-1, -1, -1, 4]},
            {"ids": [2, item(5), 1, 6], "targets": [-1, -1, 6, 12]},
        ],
        "held-out": [
            {"ids": [user(2), 3, item(0), item(5), 8], "heldOut": [1, 4]},
            {"ids": [user(1), 3, item(5), 8], "heldOut": [0, 2, 3]},
        ],
    }
    cases = []
    for loss, documents in batches.items():
        for scaling in ("paper", "released-code"):
            lambda_c, lambda_l = 0.7, 0.3
            tables = {k: v.clone().requires_grad_() for k, v in start.items()}
            extended = torch.cat([model.wte.weight.detach(), tables["users"], tables["items"]])
            total, targets, regulariser = 0.0, 0, 0.0
            weight_c, weight_l = lambda_c, lambda_l
            for document in documents:
                hidden = model(inputs_embeds=extended[torch.tensor(document["ids"])][None]).last_hidden_state[0]
                present = [i for i in document["ids"] if i >= N]
                if loss == "held-out":
                    log_p = torch.log_softmax(hidden[-1] @ tables["items"].T, -1)
                    total = total - log_p[torch.tensor(document["heldOut"])].sum()
                    present += [item(j) for j in document["heldOut"]]
                else:
                    for t, target in enumerate(document["targets"]):
                        if target < 0:
                            continue
                        head, label = (
                            (tables["items"], target - N - I)
                            if loss == "next-item"
                            else (model.wte.weight.detach(), target)
                        )
                        total = total - torch.log_softmax(hidden[t] @ head.T, -1)[label]
                        targets += 1
                        present.append(target)
                for token in set(i for i in present if i >= N):
                    z = extended[token]
                    other = torch.cat([fixed["users"], fixed["items"]])[token - N]
                    half = 0.5 if scaling == "paper" else 1.0
                    regulariser = (
                        regulariser + half * weight_c * ((z - other) ** 2).sum() + half * weight_l * (z**2).sum()
                    )
            divisor = len(documents) if loss == "held-out" else targets
            language = total / divisor
            # Eq. 7, 8, 10: sum of −log p plus the squared terms, all divided alike. Released code: the mean, plus the
            # undivided terms.
            value = language + (regulariser / divisor if scaling == "paper" else regulariser)
            value.backward()
            cases.append({
                "loss": loss, "scaling": scaling, "lambdaC": lambda_c, "lambdaL": lambda_l, "documents": documents,
                "objective": float(value), "languageModel": float(language),
                "users": flat(tables["users"].grad), "items": flat(tables["items"].grad),
            })
    write(
        "objective.json",
        {
            "sizes": {"users": I, "items": J, "width": K, "words": N},
            "tables": {k: flat(v) for k, v in start.items()},
            "towards": {k: flat(v) for k, v in fixed.items()},
            "cases": cases,
        },
    )


def philox(counter, key):
    """Philox4x32-10 with Python's integers."""
    c, k = list(counter), list(key)
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(p1 >> 32) ^ c[1] ^ k[0], p1 & 0xFFFFFFFF, (p0 >> 32) ^ c[3] ^ k[1], p0 & 0xFFFFFFFF]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c


def normal():
    """Marsaglia's polar method over Philox, as random/normal.ts says it."""
    seed, stream, rows, width = 2**40 + 12345, 3, 4, 7
    values = []
    for row in range(rows):
        numbers = []
        for column in range(0, width, 2):
            attempt, found = 0, None
            while found is None:
                words = philox((attempt, column // 2, row, stream), (seed & 0xFFFFFFFF, seed >> 32))
                for half in (0, 1):
                    u, v = ((words[2 * half + i] + 0.5) / 2**31 - 1 for i in (0, 1))
                    s = u * u + v * v
                    if 0 < s < 1 and found is None:
                        f = math.sqrt(-2 * math.log(s) / s)
                        found = (u * f, v * f)
                attempt += 1
            numbers += found
        values += numbers[:width]
    write("normal.json", {"seed": seed, "stream": stream, "rows": rows, "width": width, "values": values})


def tensorboard():
    class Sink(bytearray):
        def write(self, data):
            self.extend(data)

    sink = Sink()
    writer = RecordWriter(sink)
    writer.write(Event(wall_time=1234.5, file_version="brain.Event:2").SerializeToString())
    for step, scalars in ((0, {"a/loss": 1.5}), (300, {"a/loss": -0.1, "b/recall@20": 1e-3})):
        values = [Summary.Value(tag=tag, simple_value=value) for tag, value in scalars.items()]
        writer.write(Event(wall_time=1234.5 + step, step=step, summary=Summary(value=values)).SerializeToString())
    write("tensorboard.json", {"hex": bytes(sink).hex()})


adam()
schedules()
objective()
normal()
tensorboard()
