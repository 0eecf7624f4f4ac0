"""A random GPT-2 of 128 words (ASCII), width 16, 2 layers, for tests and the README: test/fixtures/tiny-gpt2.

Written with Python 3, torch 2.15.0, transformers 5.23.0, safetensors 0.8.0. Run from anywhere.
"""
import json
import pathlib

import torch
from safetensors.torch import save_file
from transformers import GPT2Config, GPT2Model

folder = pathlib.Path(__file__).resolve().parent.parent / "fixtures" / "tiny-gpt2"
folder.mkdir(parents=True, exist_ok=True)
sizes = dict(vocab_size=128, n_positions=96, n_embd=16, n_layer=2, n_head=2)
torch.manual_seed(11)
model = GPT2Model(GPT2Config(**sizes, bos_token_id=0, eos_token_id=0))
with torch.no_grad():
    for parameter in model.parameters():
        parameter.add_(torch.randn_like(parameter) * 0.15)
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
