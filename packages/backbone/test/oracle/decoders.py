"""Goldens for the decoders that joined after the first release: Qwen3, SmolLM3, Phi-3, Gemma 3, OPT, GPT-NeoX, yarn,
sliding windows.

Run with torch 2.15.0, transformers 5.24.0, safetensors 0.8.0:  python decoders.py [NAME …]
Writes, beside what models.py writes and in the same forms,
  ../fixtures/models/NAME/            tiny random models, complete Hugging Face directories
  ../fixtures/goldens/NAME.*          hidden states, logits, loss, gradients towards rows of the vocabulary matrix,
                                      continuations
  ../fixtures/goldens/base-NAME.*     losses of the three heads, gradients of all soft rows, for some of them

Everything is computed in float32 with attn_implementation="eager", one sequence at a time: no padding, no batches, no
cache. Every model has a seed of its own, so that one can be made anew alone. Windows are shorter than most sequences.
"""

import json
import shutil
import sys
import zlib

import torch
from safetensors.torch import save_file
from transformers import (
    AutoModelForCausalLM,
    Gemma3TextConfig,
    GPTNeoXConfig,
    LlamaConfig,
    MistralConfig,
    OPTConfig,
    Phi3Config,
    Qwen2Config,
    Qwen3Config,
    SmolLM3Config,
)

from models import LLAMA as SHORT_LLAMA
from models import NO_ENDS, base_model, continuation, fixtures, generator, golden, randint, randn, write

LLAMA = SHORT_LLAMA | dict(max_position_embeddings=640)
YARN = dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=16, rope_theta=10_000.0)
SHORT, LONGER = [1.0, 1.1, 1.3], [1.5, 2.5, 4.0]
OPT = dict(
    vocab_size=48,
    hidden_size=16,
    ffn_dim=40,
    num_hidden_layers=2,
    num_attention_heads=4,
    max_position_embeddings=640,
    **NO_ENDS,
)
NEOX = dict(vocab_size=48, hidden_size=32, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4,
            max_position_embeddings=640, **NO_ENDS)  # fmt: skip
GEMMA = LLAMA | dict(num_hidden_layers=3, num_key_value_heads=2, head_dim=8, query_pre_attn_scalar=11)

# name: (config, what config.json says besides or differently; None: nothing). Where a rope is left out, the keys are
# those of transformers 4.
MODELS = {
    "qwen3": (Qwen3Config(**LLAMA, num_key_value_heads=2, head_dim=8, tie_word_embeddings=True), {}),
    # A window in the upper layers, biases; config.json as transformers 4 wrote it.
    "qwen3-window": (
        Qwen3Config(**LLAMA | dict(num_hidden_layers=3), num_key_value_heads=1, head_dim=6, attention_bias=True,
                    use_sliding_window=True, sliding_window=5, max_window_layers=1),
        {"layer_types": None, "rope_parameters": None, "rope_theta": 10_000.0, "rope_scaling": None},
    ),
    "qwen2-window": (
        Qwen2Config(**LLAMA | dict(num_hidden_layers=3), num_key_value_heads=2, use_sliding_window=True,
                    sliding_window=7, layer_types=["sliding_attention", "full_attention", "sliding_attention"]),
        {},
    ),
    "mistral-window": (MistralConfig(**LLAMA, num_key_value_heads=2, head_dim=8, sliding_window=4), {}),
    # yarn with its defaults, with both mscales, and without rounding; keys as in files for transformers 4.
    "llama-rope-yarn": (
        LlamaConfig(**LLAMA | dict(hidden_size=32), rope_parameters=YARN),
        {"rope_parameters": None, "rope_theta": 10_000.0,
            "rope_scaling": {k: v for k, v in YARN.items() if k != "rope_theta"}},
    ),
    "qwen3-rope-yarn": (
        Qwen3Config(**LLAMA, num_key_value_heads=2, head_dim=12,
                    rope_parameters=YARN | dict(mscale=1.0, mscale_all_dim=0.5, truncate=False, beta_fast=8.0,
                        beta_slow=0.5, rope_theta=300.0)),
        {},
    ),
    "smollm3": (
        SmolLM3Config(**LLAMA | dict(num_hidden_layers=4), num_key_value_heads=2,
            rope_parameters=YARN | dict(attention_factor=1.2)),
        {},
    ),
    "smollm3-window": (
        SmolLM3Config(**LLAMA | dict(num_hidden_layers=3), num_key_value_heads=2, tie_word_embeddings=False,
            no_rope_layers=[0, 1, 1],
                      use_sliding_window=True, sliding_window=5),
        {"layer_types": None, "rope_parameters": None, "rope_theta": 2_000_000.0, "rope_scaling": None},
    ),
    # Phi-3-mini-4k: a window in all layers.
    "phi3": (Phi3Config(**LLAMA, sliding_window=6), {}),
    # Phi-4-mini: LongRoPE, grouped heads, tied, three quarters of each head turned.
    "phi3-longrope": (
        Phi3Config(**LLAMA | dict(hidden_size=32), num_key_value_heads=2, tie_word_embeddings=True,
            original_max_position_embeddings=32,
                   rope_parameters=dict(rope_type="longrope", short_factor=SHORT, long_factor=LONGER,
                       rope_theta=10_000.0,
                                        partial_rotary_factor=0.75)),
        {"rope_parameters": None, "rope_theta": 10_000.0, "partial_rotary_factor": 0.75,
         "rope_scaling": {"type": "longrope", "short_factor": SHORT, "long_factor": LONGER}},
    ),
    # Embeddings times √K, local layers with a window and a rope of their own; keys of transformers 5.
    "gemma3": (
        Gemma3TextConfig(**GEMMA, sliding_window=6,
            layer_types=["sliding_attention", "full_attention", "sliding_attention"],
                         rope_parameters={"full_attention": dict(rope_type="linear", factor=8.0, rope_theta=1_000.0),
                                          "sliding_attention": dict(rope_type="default", rope_theta=100.0)}),
        {},
    ),
    # Gemma 3 1b as it was published: a pattern, ropes by their bases; untied and with biases besides.
    "gemma3-pattern": (
        Gemma3TextConfig(**GEMMA | dict(num_key_value_heads=1), sliding_window=4, sliding_window_pattern=3,
            tie_word_embeddings=False,
                         attention_bias=True, rope_theta=2_000.0, rope_local_base_freq=50.0),
        {"layer_types": None, "sliding_window_pattern": 3, "rope_parameters": None, "rope_theta": 2_000.0,
            "rope_local_base_freq": 50.0,
         "rope_scaling": None},
    ),
    "opt": (OPTConfig(**OPT), {}),
    # OPT-350m: blocks wider than embeddings, norms after each sum. With a smooth activation, so that finite differences
    # can be taken.
    "opt-projected": (OPTConfig(**OPT, word_embed_proj_dim=12, do_layer_norm_before=False,
        activation_function="gelu_new"), {}),
    # Galactica: GELU, neither biases nor scales; untied besides.
    "opt-bare": (
        OPTConfig(**OPT | dict(max_position_embeddings=64), enable_bias=False, layer_norm_elementwise_affine=False,
                  activation_function="gelu", tie_word_embeddings=False),
        {},
    ),
    # Pythia: keys of transformers 4.
    "gpt-neox": (
        GPTNeoXConfig(**NEOX, rotary_pct=0.25, rotary_emb_base=500),
        {"rope_parameters": None, "rotary_pct": 0.25, "rotary_emb_base": 500},
    ),
    "gpt-neox-sequential": (
        GPTNeoXConfig(**NEOX, use_parallel_residual=False, attention_bias=False, hidden_act="gelu_fast",
            tie_word_embeddings=True,
                      rope_parameters=dict(rope_type="linear", factor=2.0, rope_theta=1_000.0,
                          partial_rotary_factor=0.5)),
        {},
    ),
}  # fmt: skip
LONG = ["qwen2-window", "gemma3"]  # also with sequences long enough for attention in blocks
BASE = ["gemma3", "opt-projected", "gpt-neox"]  # also the twin of the base model


def randomise(model):
    """Weights that make every part matter: attention far from uniform, norms far from 1, biases far from 0."""
    centre = 0 if model.config.model_type.startswith("gemma") else 1
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = randn(*parameter.shape)
            if "norm" in name:
                parameter.copy_(0.2 * noise + (centre if name.endswith("weight") else 0))
            elif name.endswith("bias"):
                parameter.copy_(0.3 * noise)
            elif "embed" in name or "lm_head" in name:
                parameter.copy_(
                    0.7 * noise * (4 if model.config.model_type.startswith("gemma") else 1) / 4 ** (centre == 0)
                )
            else:
                parameter.copy_(1.3 * noise / parameter.shape[1] ** 0.5)
    model.tie_weights()


def write_model(name):
    config, overrides = MODELS[name]
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    randomise(model)
    folder = fixtures / "models" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    state = {k: v.detach().clone() for k, v in model.state_dict().items()}
    if config.tie_word_embeddings:
        state = {k: v for k, v in state.items() if k != "lm_head.weight"}
    # The name in published checkpoints; transformers 5 calls it lm_head inside.
    state = {k.replace("lm_head", "embed_out") if name == "gpt-neox" else k: v for k, v in state.items()}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    written = json.loads(config.to_json_string(use_diff=False)) | {"architectures": [type(model).__name__]} | overrides
    dropped = ("dtype", "id2label", "label2id", "transformers_version", "_name_or_path")
    written = {k: v for k, v in written.items() if k not in dropped and (v is not None or k not in overrides)}
    (folder / "config.json").write_text(json.dumps(written, indent=2, sort_keys=True) + "\n")
    loaded = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
    for (key, a), (_, b) in zip(model.state_dict().items(), loaded.state_dict().items(), strict=True):
        assert torch.equal(a, b), (name, key)
    ids = torch.tensor([randint(config.vocab_size, 30)])
    assert torch.equal(
        model(input_ids=ids).logits, loaded(input_ids=ids).logits
    ), f"{name}: config.json says something else"
    return loaded


def clear_continuation(model, length):
    """Of the first prompt after which no choice is too close."""
    while True:
        try:
            return continuation(model, randint(model.config.vocab_size, length))
        except AssertionError:
            continue


def tiny(name):
    generator.manual_seed(zlib.crc32(name.encode()))
    model = write_model(name)
    words = model.config.vocab_size
    tensors, sequences = {}, []
    for i, length in enumerate([1, 2, 7, 20] + ([256, 300, 600] if name in LONG else [])):
        ids, targets = randint(words, length), randint(words, length)
        hidden, logits, loss, gradient = golden(model, ids, targets)
        tensors |= {f"{i}.hidden": hidden, f"{i}.gradient": gradient}
        if length < 256:
            tensors[f"{i}.logits"] = logits
        sequences.append({"ids": ids, "targets": targets, "loss": loss})
    greedy = [clear_continuation(model, length) for length in (1, 5, 12)]
    write(name, tensors, {"sequences": sequences, "greedy": greedy})
    if name in BASE:
        base_model(name, model)


if __name__ == "__main__":
    for each in sys.argv[1:] or MODELS:
        tiny(each)
