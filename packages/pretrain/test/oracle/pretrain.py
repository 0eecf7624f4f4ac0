"""The tiny GPT-2 of the tests, and a whole pretraining run in PyTorch: warm-up, L-steps and C-steps on the batches that
the test recorded.

Written with Python 3, torch 2.15.0, transformers 5.23.0, safetensors 0.8.0. In this order:
    python packages/pretrain/test/oracle/pretrain.py          (writes the model, and the golden once there are batches)
    cd packages/pretrain && npx vitest run test/golden.test.ts -u      (records fixtures/batches.json)
    python packages/pretrain/test/oracle/pretrain.py
"""
import json
import pathlib

import torch
from safetensors.torch import save_file
from transformers import GPT2Config, GPT2Model

torch.set_num_threads(1)
FIXTURES = pathlib.Path(__file__).resolve().parent.parent / "fixtures"
N, K = 128, 8
sizes = dict(vocab_size=N, n_positions=64, n_embd=K, n_layer=2, n_head=2)
torch.manual_seed(23)
model = GPT2Model(GPT2Config(**sizes, bos_token_id=0, eos_token_id=0)).eval()
with torch.no_grad():
    for parameter in model.parameters():
        parameter.add_(torch.randn_like(parameter) * 0.2)
        parameter.requires_grad_(False)
folder = FIXTURES / "tiny-gpt2"
folder.mkdir(parents=True, exist_ok=True)
save_file({k: v.contiguous() for k, v in model.state_dict().items()}, folder / "model.safetensors", {"format": "pt"})
(folder / "model.safetensors").chmod(0o644)
(folder / "config.json").write_text(
    json.dumps(
        {
            "model_type": "gpt2",
            "architectures": ["GPT2LMHeadModel"],
            **sizes,
            "n_inner": None,
            "activation_function": "gelu_new",
            "layer_norm_epsilon": 1e-5,
            "tie_word_embeddings": True,
            "attn_pdrop": 0.1,
            "embd_pdrop": 0.1,
            "resid_pdrop": 0.1,
        },
        indent=1,
    )
    + "\n"
)

recorded = FIXTURES / "batches.json"
if recorded.exists():
    run = json.loads(recorded.read_text())
    I, J, settings = run["users"], run["items"], run["settings"]
    tables = {
        side: {
            kind: torch.nn.Parameter(torch.tensor(run["tables"][side][kind]).reshape(rows, K))
            for kind, rows in (("users", I), ("items", J))
        }
        for side in ("collaborative", "content")
    }
    optimisers = {
        side: torch.optim.Adam(tables[side].values(), lr=settings["learningRate"][side]) for side in tables
    }
    objectives = []
    for batch in run["batches"]:
        side = "collaborative" if batch["task"] == "l-step" else "content"
        own, other = tables[side], tables["content" if side == "collaborative" else "collaborative"]
        extended = torch.cat([model.wte.weight, own["users"], own["items"]])
        fixed = torch.cat([other["users"], other["items"]]).detach()
        log_likelihood, penalty, targets = 0.0, 0.0, 0
        for document in batch["documents"]:
            hidden = model(inputs_embeds=extended[torch.tensor(document["ids"])][None]).last_hidden_state[0]
            head, first = (own["items"], N + I) if side == "collaborative" else (model.wte.weight, 0)
            for t, target in enumerate(document["targets"]):
                if target >= 0:
                    log_likelihood = log_likelihood + torch.log_softmax(hidden[t] @ head.T, -1)[target - first]
                    targets += 1
            if batch["task"] != "warm-up":
                for token in {i for i in document["ids"] + document["targets"] if i >= N}:
                    penalty = penalty + ((extended[token] - fixed[token - N]) ** 2).sum()
        # Eq. 7 and 8 with the signs of Eq. 6, over the batch's targets.
        objective = (-log_likelihood + settings["lambdaC"] / 2 * penalty) / targets
        optimisers[side].zero_grad()
        objective.backward()
        for parameter in own.values():
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        optimisers[side].step()
        objectives.append(objective.item())
    flat = lambda t: t.detach().reshape(-1).tolist()
    (FIXTURES / "golden.json").write_text(
        json.dumps(
            {
                "objectives": objectives,
                "tables": {side: {kind: flat(t) for kind, t in kinds.items()} for side, kinds in tables.items()},
            },
            separators=(",", ":"),
        )
        + "\n"
    )
