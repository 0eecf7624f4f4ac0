"""Goldens for the checkpoint readers, from the reference implementations.

Run with torch 2.15.0, safetensors 0.8.0, transformers 5.23.0, numpy 2.4:  python checkpoint.py
Writes ../fixtures/checkpoint/: safetensors files of a few kilobytes as the Rust writer lays them out, what their
tensors hold, a digest of all finite half-precision values widened by torch, and config.json files as transformers
writes them.
"""

import hashlib
import json
import pathlib
import struct

import torch
from safetensors import deserialize
from safetensors.torch import save_file
from transformers import GPT2Config, LlamaConfig, MistralConfig, Qwen2Config

out = pathlib.Path(__file__).resolve().parent.parent / "fixtures" / "checkpoint"
out.mkdir(parents=True, exist_ok=True)
generator = torch.Generator().manual_seed(20261121)


def randn(*shape):
    return torch.randn(*shape, generator=generator)


# 1. One file with every dtype that torch and the writer have in common, odd shapes, and names that need care.
mixed = {
    "float32": randn(3, 5),
    "float16": randn(7).half(),
    "bfloat16": randn(2, 3, 3).bfloat16(),
    "float64": randn(2).double(),
    "int64": torch.arange(-2, 3),
    "int32": torch.arange(3, dtype=torch.int32),
    "int16": torch.arange(3, dtype=torch.int16),
    "int8": torch.arange(3, dtype=torch.int8),
    "uint8": torch.arange(3, dtype=torch.uint8),
    "bool": torch.tensor([True, False, True]),
    "scalar": torch.tensor(2.5),
    "empty": torch.zeros(0, 4),
    "ümlaut \"quoted\" \\ 名前": randn(1),
}
save_file(mixed, out / "mixed.safetensors", metadata={"format": "pt"})


def describe(tensor):
    raw = (
        tensor.contiguous().view(torch.uint8).numpy().tobytes()
        if tensor.ndim
        else tensor.reshape(1).view(torch.uint8).numpy().tobytes()
    )
    entry = {"shape": list(tensor.shape), "sha256": hashlib.sha256(raw).hexdigest()}
    if tensor.dtype in (torch.float32, torch.float16, torch.bfloat16):
        entry["float32"] = tensor.float().flatten().tolist()
    return entry


goldens = {"mixed": {name: describe(tensor) for name, tensor in mixed.items()}}

# 2. What our writer must reproduce byte for byte.
written = {
    "zeta": torch.arange(6, dtype=torch.float32).reshape(2, 3),
    "alpha": torch.tensor([1.5]),
    "a.double": torch.tensor([0.1], dtype=torch.float64),
    "bytes": torch.tensor([1, 2, 3], dtype=torch.uint8),
    "signed": torch.tensor([-1, 2, 3], dtype=torch.int8),
    "words": torch.tensor([7, -7], dtype=torch.int16),
    "ints": torch.tensor([[7, -7]], dtype=torch.int32),
    "10": torch.tensor([2**40], dtype=torch.int64),
    "9": torch.tensor(3.0),
    "é": torch.zeros(0),
}
save_file(written, out / "written.safetensors", metadata={"made by": "a \"writer\""})

# 3. All half-precision patterns widened by torch. NaNs are left out: processors differ in whether they quieten them.
patterns = torch.arange(65536, dtype=torch.int32).to(torch.uint16)
for name, dtype in (("F16", torch.float16), ("BF16", torch.bfloat16)):
    wide = patterns.view(dtype).float()
    wide = wide[~torch.isnan(wide)]
    goldens[name] = {
        "count": wide.numel(),
        "sha256": hashlib.sha256(struct.pack(f"<{wide.numel()}f", *wide.tolist())).hexdigest(),
    }

# 4. Headers, sound and hostile, and whether the reference implementation accepts them.
def tensor(dtype="F32", shape=(2,), begin=0, end=8, **more):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end], **more}


deep = "[" * 200 + "]" * 200
cases = [
    ("sound", json.dumps({"a": tensor()}), 8),
    ("two tensors", json.dumps({"b": tensor(begin=8, end=16), "a": tensor()}), 16),
    ("scalar", json.dumps({"a": tensor(shape=(), end=4)}), 4),
    ("no tensors", "{}", 0),
    ("only metadata", json.dumps({"__metadata__": {"k": "v"}}), 0),
    (
        "empty tensors between",
        json.dumps({"a": tensor(), "e": tensor(shape=(0,), begin=8, end=8), "b": tensor(begin=8, end=16)}),
        16,
    ),
    ("trailing spaces", json.dumps({"a": tensor()}) + "   ", 8),
    ("leading space", " " + json.dumps({"a": tensor()}), 8),
    ("trailing garbage", json.dumps({"a": tensor()}) + "x", 8),
    ("not json", "{hello", 0),
    ("array", "[]", 0),
    ("cut off", json.dumps({"a": tensor()})[:-2], 8),
    ("data too short", json.dumps({"a": tensor()}), 7),
    ("data too long", json.dumps({"a": tensor()}), 9),
    ("hole at the start", json.dumps({"a": tensor(begin=4, end=12)}), 12),
    ("hole between", json.dumps({"a": tensor(), "b": tensor(begin=12, end=20)}), 20),
    ("overlap", json.dumps({"a": tensor(), "b": tensor(begin=4, end=12)}), 12),
    ("identical ranges", json.dumps({"a": tensor(), "b": tensor()}), 8),
    ("offsets reversed", json.dumps({"a": tensor(begin=8, end=0)}), 8),
    ("negative offset", json.dumps({"a": tensor(begin=-4, end=4)}), 8),
    ("one offset", json.dumps({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0]}}), 8),
    ("three offsets", json.dumps({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8, 8]}}), 8),
    ("size against shape", json.dumps({"a": tensor(shape=(3,))}), 8),
    ("negative shape", json.dumps({"a": tensor(shape=(-1, -2))}), 8),
    ("fractional shape", json.dumps({"a": tensor(shape=(2.5,))}), 8),
    ("string shape", json.dumps({"a": tensor(shape=("2",))}), 8),
    ("null shape", json.dumps({"a": {"dtype": "F32", "shape": None, "data_offsets": [0, 8]}}), 8),
    ("shape 2.0", json.dumps({"a": tensor(shape=(2.0,))}), 8),
    ("shape 2e0", '{"a":{"dtype":"F32","shape":[2e0],"data_offsets":[0,8]}}', 8),
    ("overflowing shape", json.dumps({"a": tensor(shape=(2**62, 4))}), 8),
    ("overflowing to zero", json.dumps({"a": tensor(shape=(2**32, 2**32), end=0)}), 0),
    ("huge with a zero", json.dumps({"a": tensor(shape=(2**40, 0), end=0)}), 0),
    ("unknown dtype", json.dumps({"a": tensor(dtype="F31")}), 8),
    ("dtype of Object.prototype", json.dumps({"a": tensor(dtype="constructor")}), 8),
    ("dtype number", json.dumps({"a": tensor(dtype=32)}), 8),
    ("lower case dtype", json.dumps({"a": tensor(dtype="f32")}), 8),
    ("missing dtype", json.dumps({"a": {"shape": [2], "data_offsets": [0, 8]}}), 8),
    ("missing shape", json.dumps({"a": {"dtype": "F32", "data_offsets": [0, 8]}}), 8),
    ("missing offsets", json.dumps({"a": {"dtype": "F32", "shape": [2]}}), 8),
    ("entry is a number", json.dumps({"a": 1}), 0),
    ("metadata with a number", json.dumps({"__metadata__": {"k": 1}, "a": tensor()}), 8),
    ("duplicate field", '{"a":{"dtype":"F32","dtype":"F16","shape":[2],"data_offsets":[0,8]}}', 8),
    ("deep", '{"a":' + deep + "}", 0),
    ("name __proto__", json.dumps({"__proto__": tensor()}), 8),
    ("four bits", json.dumps({"a": tensor(dtype="F4", shape=(4,), end=2)}), 2),
    ("four bits, half a byte", json.dumps({"a": tensor(dtype="F4", shape=(3,), end=2)}), 2),
    ("bool", json.dumps({"a": tensor(dtype="BOOL", shape=(3,), end=3)}), 3),
]


def accepted(header, size):
    data = struct.pack("<Q", len(header.encode())) + header.encode() + bytes(size)
    try:
        deserialize(data)
        return True
    except Exception:
        return False


goldens["headers"] = [
    {"what": what, "header": header, "dataBytes": size, "accepted": accepted(header, size)}
    for what, header, size in cases
]

# 5. Configs: the JSON that transformers writes, and what its object says.
configs = {
    "gpt2": GPT2Config(
        n_embd=64,
        n_layer=3,
        n_head=4,
        n_positions=128,
        vocab_size=500,
        n_inner=100,
        layer_norm_epsilon=1e-6,
        attn_pdrop=0.2,
        activation_function="gelu_pytorch_tanh",
        eos_token_id=499,
        bos_token_id=498,
    ),
    "gpt2-default": GPT2Config(),
    "llama": LlamaConfig(
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=8,
        num_key_value_heads=2,
        vocab_size=300,
        attention_bias=True,
        mlp_bias=True,
        tie_word_embeddings=True,
        rms_norm_eps=1e-5,
    ),
    "llama-3.1": LlamaConfig(
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        vocab_size=300,
        max_position_embeddings=131072,
        eos_token_id=[7, 8],
        head_dim=32,
        rope_parameters={
            "rope_type": "llama3",
            "rope_theta": 500000.0,
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 8192,
        },
    ),
    "llama-linear": LlamaConfig(
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        vocab_size=300,
        rope_parameters={"rope_type": "linear", "rope_theta": 10000.0, "factor": 2.0},
    ),
    "mistral": MistralConfig(
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        vocab_size=300,
        sliding_window=None,
        max_position_embeddings=1024,
        head_dim=24,
    ),
    "qwen2": Qwen2Config(
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        vocab_size=300,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
    ),
}


def expected(config):
    gpt2 = config.model_type == "gpt2"
    entry = {
        "modelType": config.model_type,
        "hiddenSize": config.hidden_size,
        "layers": config.num_hidden_layers,
        "heads": config.num_attention_heads,
        "vocabularySize": config.vocab_size,
        "maxPositions": config.max_position_embeddings,
        "tieWordEmbeddings": config.tie_word_embeddings,
        "bosTokenId": config.bos_token_id,
        "eosTokenIds": (
            []
            if config.eos_token_id is None
            else config.eos_token_id if isinstance(config.eos_token_id, list) else [config.eos_token_id]
        ),
        "padTokenId": config.pad_token_id,
    }
    if gpt2:
        entry |= {
            "intermediateSize": config.n_inner or 4 * config.n_embd,
            "headSize": config.n_embd // config.n_head,
            "normEpsilon": config.layer_norm_epsilon,
            "dropout": {"embedding": config.embd_pdrop, "attention": config.attn_pdrop, "residual": config.resid_pdrop},
        }
    else:
        entry |= {
            "intermediateSize": config.intermediate_size,
            "keyValueHeads": config.num_key_value_heads,
            "headSize": getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads,
            "normEpsilon": config.rms_norm_eps,
            "dropout": {"attention": config.attention_dropout},
        }
    return entry


goldens["configs"] = {
    name: {"json": config.to_dict(), "expected": expected(config)} for name, config in configs.items()
}
(out / "goldens.json").write_text(json.dumps(goldens, indent=1, ensure_ascii=False) + "\n")
