"""Goldens for full training: the gradient of every weight, from Hugging Face transformers and PyTorch's autograd.

Run with torch 2.15.0, transformers 5.23.0 (the last seven: 5.24.0), safetensors 0.8.0, after models.py and decoders.py:
 python weights.py Writes ../fixtures/goldens/weights-NAME.safetensors and .json for some of the tiny models:
  words.WEIGHT, items.WEIGHT   ∂loss/∂WEIGHT of the mean next-word loss over plain text, and of the mean next-item loss
                               over documents with users and items, whose embeddings are parameters too (users, items):
                               everything is trained at once
Computed in float32 with attn_implementation="eager", one sequence at a time.
"""

import json
import pathlib
import zlib

import torch
from safetensors.torch import save_file
from torch.nn import functional as F
from transformers import AutoModelForCausalLM

from models import states

torch.set_num_threads(1)
fixtures = pathlib.Path(__file__).resolve().parent.parent / "fixtures"
generator = torch.Generator().manual_seed(7)
USERS, ITEMS = 3, 5


def randint(high, size):
    return torch.randint(high, (size,), generator=generator).tolist()


def gradients(name):
    model = AutoModelForCausalLM.from_pretrained(
        fixtures / "models" / name, attn_implementation="eager", dtype=torch.float32
    ).eval()
    words, width = model.get_input_embeddings().weight.shape
    texts = [(randint(words, length), randint(words, length)) for length in (1, 9, 14, 30)]
    table = 0.5 * torch.randn(USERS + ITEMS, width, generator=generator)
    item = words + USERS
    histories = [
        ([words, 1, item + 2, item + 4, item + 2], [-1, item + 2, item + 4, item + 2, item]),
        ([words + 2, item + 1, 3, item], [-1, -1, item, item + 3]),
        ([item + 3], [item + 1]),
    ]
    tensors = {}

    def collect(kind, losses, extra):
        loss = torch.cat(losses).mean()
        model.zero_grad()
        loss.backward()
        for weight, parameter in model.named_parameters():  # a tied matrix is listed once
            if parameter.grad is not None:
                tensors[f"{kind}.{weight}"] = parameter.grad.clone()
        tensors.update({f"{kind}.{key}": value.grad.clone() for key, value in extra.items()})
        return loss.item()

    plain = [
        F.cross_entropy(model(input_ids=torch.tensor([ids])).logits[0], torch.tensor(targets), reduction="none")
        for ids, targets in texts
    ]
    record = {"users": USERS, "words": {"documents": texts, "loss": collect("words", plain, {})}}

    users, items = table[:USERS].clone().requires_grad_(), table[USERS:].clone().requires_grad_()
    losses = []
    for ids, targets in histories:
        extended = torch.cat([model.get_input_embeddings().weight, users, items])
        hidden = states(model, extended[torch.tensor(ids)])
        log_p = F.log_softmax(hidden @ items.T, dim=-1)
        losses.append(torch.stack([-log_p[t, target - item] for t, target in enumerate(targets) if target >= 0]))
    tensors["users"], tensors["items"] = users.detach().clone(), items.detach().clone()
    loss = collect("items", losses, {"users": users, "items": items})
    record["items"] = {"count": ITEMS, "documents": histories, "loss": loss}
    save_file({k: v.contiguous() for k, v in tensors.items()}, fixtures / "goldens" / f"weights-{name}.safetensors")
    (fixtures / "goldens" / f"weights-{name}.json").write_text(json.dumps(record, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    for each in ("gpt2-relu", "gpt2-untied", "llama-gqa", "qwen2"):
        gradients(each)
    # Those that joined later have seeds of their own, so that the others stay as they are.
    for each in ("gemma3", "gpt-neox", "opt-bare", "opt-projected", "phi3", "qwen3-window", "smollm3-window"):
        generator.manual_seed(zlib.crc32(each.encode()))
        gradients(each)
