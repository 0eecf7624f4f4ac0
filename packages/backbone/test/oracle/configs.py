"""Goldens for what transformers makes of config.json where files leave room for interpretation.

Run with torch 2.15.0, transformers 5.24.0, safetensors 0.8.0:  python configs.py
Writes
  ../fixtures/models/t5-tied-1.1/        a tiny random T5 1.1 exactly as transformers 5 saves it: tied, not scaled, no
                                         lm_head
  ../fixtures/goldens/t5-tied-1.1.*      its logits
  ../fixtures/checkpoint/rotary.json     rotary frequencies of Llama configs, as the loaded model has them; key/value
                                         heads of Mistral and Qwen2
"""

import json
import shutil
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForCausalLM, T5Config, T5ForConditionalGeneration

from models import fixtures, randint, write
from t5 import randomise

NAME = "t5-tied-1.1"


def tied_t5():
    config = T5Config(
        vocab_size=48, d_model=16, d_kv=6, d_ff=24, num_layers=1, num_heads=2, decoder_start_token_id=0, pad_token_id=0,
        feed_forward_proj="gated-gelu", tie_word_embeddings=False,
    )  # fmt: skip
    model = T5ForConditionalGeneration(config).eval()
    randomise(model)
    folder = fixtures / "models" / NAME
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    saved = json.loads((folder / "config.json").read_text())
    assert saved["tie_word_embeddings"] and not saved["scale_decoder_outputs"]
    assert "lm_head.weight" not in load_file(folder / "model.safetensors")
    loaded = T5ForConditionalGeneration.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
    tensors, sequences = {}, []
    for i, (read, written) in enumerate([(5, 1), (11, 6)]):
        encoder_ids, decoder_ids = randint(48, read), [0] + randint(48, written - 1)
        with torch.no_grad():
            logits = loaded(
                input_ids=torch.tensor([encoder_ids]), decoder_input_ids=torch.tensor([decoder_ids]), use_cache=False
            ).logits
        tensors[f"{i}.logits"] = logits[0]
        sequences.append({"encoderIds": encoder_ids, "decoderIds": decoder_ids})
    write(NAME, tensors, {"sequences": sequences})


LLAMA = dict(
    model_type="llama", hidden_size=64, intermediate_size=96, num_hidden_layers=1, num_attention_heads=4,
        vocab_size=300,
    max_position_embeddings=1024,
)  # fmt: skip
LLAMA3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0)
ROTARY = {
    "inside only": dict(rope_scaling=LLAMA3 | dict(original_max_position_embeddings=64)),
    "at the top level only": dict(rope_scaling=LLAMA3, original_max_position_embeddings=32),
    "both, the top level has priority": dict(
        rope_scaling=LLAMA3 | dict(original_max_position_embeddings=64), original_max_position_embeddings=32
    ),
    "both, in transformers 5's form": dict(
        rope_parameters=LLAMA3 | dict(original_max_position_embeddings=64, rope_theta=500000.0),
        original_max_position_embeddings=128,
    ),
    "neither": dict(rope_scaling=LLAMA3),
}


def opened(config):
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config.json").write_text(json.dumps(config))
        return AutoConfig.from_pretrained(folder)


def rotary():
    frequencies = {}
    for name, change in ROTARY.items():
        model = AutoModelForCausalLM.from_config(opened(LLAMA | change))
        frequencies[name] = {"json": LLAMA | change, "frequencies": model.model.rotary_emb.inv_freq.double().tolist()}
    heads = []
    for model_type in ("mistral", "qwen2"):
        for change in ({}, {"num_key_value_heads": None}, {"num_key_value_heads": 2}):
            if model_type == "mistral" and change == {"num_key_value_heads": None}:
                continue  # refused by transformers 5
            config = LLAMA | {"model_type": model_type, "num_attention_heads": 32, "sliding_window": None} | change
            heads.append({"json": config, "keyValueHeads": opened(config).num_key_value_heads})
    text = json.dumps({"frequencies": frequencies, "heads": heads}, indent=1)
    (fixtures / "checkpoint" / "rotary.json").write_text(text + "\n")


if __name__ == "__main__":
    torch.manual_seed(7)
    tied_t5()
    rotary()
