"""Goldens for full training: some steps of torch.optim.AdamW over all weights of a GPT-2, with clipping and a schedule.

Written with torch 2.15.0, transformers 5.23.0, after generate.py. Run from anywhere:
    python packages/training/test/oracle/weights.py
Writes ../fixtures/weights.json: documents, hyper-parameters, the loss and gradient norm of every step, and all weights
after some steps.
"""
import json
import math
import pathlib

import torch
from torch.nn import functional as F
from transformers import AutoModelForCausalLM

torch.set_num_threads(1)
FIXTURES = pathlib.Path(__file__).resolve().parent.parent / "fixtures"
STEPS, SHOWN = 12, (0, 4, 11)
PEAK, WARMUP, FLOOR, DECAY, BETAS, CLIP = 0.03, 3, 0.003, 0.1, (0.9, 0.95), 0.7
# Large, so that a gradient that is 0 but for rounding (that of the keys' bias is) does not become a whole step.
EPSILON = 1e-3


def rate(step):
    if step < WARMUP:
        return PEAK * (step + 1) / WARMUP
    progress = min(1.0, (step - WARMUP) / (STEPS - WARMUP))
    return FLOOR + (PEAK - FLOOR) * (1 + math.cos(math.pi * progress)) / 2


def main():
    model = AutoModelForCausalLM.from_pretrained(
        FIXTURES / "tiny-gpt2", attn_implementation="eager", dtype=torch.float32
    ).eval()
    words = model.config.vocab_size
    generator = torch.Generator().manual_seed(3)
    batches = [
        [
            (
                torch.randint(words, (t,), generator=generator).tolist(),
                torch.randint(words, (t,), generator=generator).tolist(),
            )
            for t in (4, 7)
        ]
        for _ in range(STEPS)
    ]
    named = dict(model.named_parameters())
    optimiser = torch.optim.AdamW(
        [
            {"params": [p for p in named.values() if p.ndim > 1], "weight_decay": DECAY},
            {"params": [p for p in named.values() if p.ndim == 1], "weight_decay": 0.0},
        ],
        lr=PEAK,
        betas=BETAS,
        eps=EPSILON,
    )
    losses, norms, weights = [], [], {}
    for step, documents in enumerate(batches):
        for group in optimiser.param_groups:
            group["lr"] = rate(step)
        each = [
            F.cross_entropy(model(input_ids=torch.tensor([ids])).logits[0], torch.tensor(wanted), reduction="none")
            for ids, wanted in documents
        ]
        loss = torch.cat(each).mean()
        optimiser.zero_grad()
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP).item())
        optimiser.step()
        losses.append(loss.item())
        if step in SHOWN:
            state = {
                name.removeprefix("transformer."): [round(float(x), 8) for x in p.detach().flatten()]
                for name, p in named.items()
            }
            weights[step] = state
    record = {
        "learningRate": {"peak": PEAK, "warmup": WARMUP, "decay": {"shape": "cosine", "total": STEPS, "floor": FLOOR}},
        "weightDecay": DECAY, "betas": BETAS, "epsilon": EPSILON, "clipNorm": CLIP, "batches": batches,
            "losses": losses, "norms": norms, "weights": weights,
    }  # fmt: skip
    (FIXTURES / "weights.json").write_text(json.dumps(record, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
