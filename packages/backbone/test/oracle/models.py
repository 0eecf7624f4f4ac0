"""Goldens for architectures and base model, from Hugging Face transformers and from a twin of the base model in
PyTorch.

Run with torch 2.15.0, transformers 5.23.0, safetensors 0.8.0, numpy 2.4, and node for the real models:  python
models.py Writes
  ../fixtures/models/NAME/            tiny random models, complete Hugging Face directories
  ../fixtures/goldens/NAME.safetensors, NAME.json
                                      what transformers computes with them: hidden states, logits, loss, gradients,
                                      continuations
  ../fixtures/goldens/base-NAME.*     what the twin of the base model computes: losses of the three heads, gradients of
                                      all soft rows
  ../fixtures/goldens/real-NAME.*     the same as the first for two pretrained models, thinned out; skipped where they
                                      are absent

Everything is computed in float32 (one exception: see real) with attn_implementation="eager", one sequence at a time: no
padding, no batches, no cache. `python models.py real` writes only the last of these.
"""

import json
import pathlib
import shutil
import subprocess
import sys

import torch
from safetensors.torch import save_file
from torch.nn import functional as F
from transformers import AutoModelForCausalLM, AutoTokenizer, GPT2Config, LlamaConfig, MistralConfig, Qwen2Config
from transformers.models.llama import modeling_llama

torch.set_num_threads(2)
fixtures = pathlib.Path(__file__).resolve().parent.parent / "fixtures"
shared = pathlib.Path(__file__).resolve().parents[5] / "shared"
generator = torch.Generator().manual_seed(20261121)


def randn(*shape):
    return torch.randn(*shape, generator=generator)


def randint(high, size):
    return torch.randint(high, (size,), generator=generator).tolist()


# --------------------------------------------------------------------------------------------------- tiny random models
# so that continuations run to their full length
NO_ENDS = dict(bos_token_id=None, eos_token_id=None, pad_token_id=None)
GPT2 = dict(vocab_size=50, n_positions=48, n_embd=16, n_layer=2, n_head=2, **NO_ENDS)
LLAMA = dict(vocab_size=48, hidden_size=16, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4,
             max_position_embeddings=64, rms_norm_eps=1e-5, **NO_ENDS)  # fmt: skip
LLAMA3 = dict(
    rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=128
)


def bare(state):
    return {name.removeprefix("transformer."): tensor for name, tensor in state.items() if name != "lm_head.weight"}


def with_masks(state, prefix, layers, positions, masked_bias):
    for i in range(layers):
        mask = torch.ones(positions, positions, dtype=torch.bool).tril().view(1, 1, positions, positions)
        state[f"{prefix}h.{i}.attn.bias"] = mask
        if masked_bias:
            state[f"{prefix}h.{i}.attn.masked_bias"] = torch.tensor(-1e4)
    return state


def with_inv_freq(state):
    for i in range(2):
        state[f"model.layers.{i}.self_attn.rotary_emb.inv_freq"] = 10_000.0 ** (-torch.arange(0, 4, 2) / 4)
    return state


def head_only(state):
    state = dict(state)
    state["lm_head.weight"] = state.pop("model.embed_tokens.weight")
    return state


# name: (config, what the file holds instead of the state dict, how config.json differs from what transformers 5 writes)
MODELS = {
    # As the first GPT-2 checkpoints were written: bare names, mask buffers, no head.
    "gpt2": (GPT2Config(**GPT2 | dict(n_positions=640)), lambda s: with_masks(bare(s), "", 2, 8, False), {}),
    "gpt2-untied": (
        GPT2Config(
            **GPT2 | dict(n_embd=24, n_head=3, n_layer=3, n_inner=40),
            activation_function="gelu",
            tie_word_embeddings=False,
        ),
        dict,
        {},
    ),
    "gpt2-relu": (
        GPT2Config(**GPT2, activation_function="relu", layer_norm_epsilon=1e-3),
        lambda s: with_masks(dict(s), "transformer.", 2, 8, True) | {
            "lm_head.weight": s["transformer.wte.weight"].clone()
        },
        {},
    ),
    "llama": (LlamaConfig(**LLAMA), with_inv_freq, {}),
    # The tied matrix stored under the head's name.
    "llama-gqa": (
        LlamaConfig(**LLAMA | dict(max_position_embeddings=640), num_key_value_heads=2, tie_word_embeddings=True),
        head_only,
        {},
    ),
    # Every bias, one key/value head for all, heads that do not add up to the width.
    "llama-biases": (
        LlamaConfig(**LLAMA, num_key_value_heads=1, head_dim=6, attention_bias=True, mlp_bias=True),
        dict,
        {},
    ),
    "llama-rope-linear": (
        LlamaConfig(**LLAMA, rope_parameters=dict(rope_type="linear", factor=4.0, rope_theta=500.0)),
        dict,
        {},
    ),
    # config.json as transformers 4 wrote it.
    "llama-rope-llama3": (
        LlamaConfig(
            **LLAMA | dict(hidden_size=32, num_hidden_layers=3, max_position_embeddings=256),
            rope_parameters=LLAMA3 | dict(rope_theta=10_000.0),
        ),
        dict,
        {"rope_parameters": None, "rope_theta": 10_000.0, "rope_scaling": LLAMA3},
    ),
    "mistral": (MistralConfig(**LLAMA, num_key_value_heads=2, head_dim=8, sliding_window=None), dict, {}),
    "qwen2": (Qwen2Config(**LLAMA, num_key_value_heads=2, tie_word_embeddings=True), dict, {}),
}
BFLOAT16 = ["llama-rope-linear"]
SHARDED = ["mistral"]
LONG = ["gpt2", "llama-gqa"]  # also with sequences long enough for attention in blocks


def randomise(model):
    """Weights that make every part matter: attention far from uniform, norms far from 1, biases far from 0."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name or "ln_" in name:
                parameter.copy_(0.2 * randn(*parameter.shape) + (1 if name.endswith("weight") else 0))
            elif name.endswith("bias"):
                parameter.copy_(0.3 * randn(*parameter.shape))
            elif any(part in name for part in ("wte", "wpe", "embed_tokens", "lm_head")):
                parameter.copy_(0.7 * randn(*parameter.shape))
            else:
                fan_in = parameter.shape[0] if "c_" in name else parameter.shape[1]  # Conv1D keeps [in, out]
                parameter.copy_(1.3 * randn(*parameter.shape) / fan_in**0.5)
    model.tie_weights()


def write_model(name):
    config, stored, overrides = MODELS[name]
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    randomise(model)
    if name in BFLOAT16:
        model = model.to(torch.bfloat16).float()
    folder = fixtures / "models" / name
    folder.mkdir(parents=True)
    state = {k: v.detach().clone() for k, v in model.state_dict().items()}
    if config.tie_word_embeddings:
        state.pop("lm_head.weight", None)
    tensors = stored(state)
    if name in BFLOAT16:
        tensors = {k: v.to(torch.bfloat16) for k, v in tensors.items()}
    if name in SHARDED:
        names = sorted(tensors)
        shards = [names[: len(names) // 2], names[len(names) // 2 :]]
        weight_map = {}
        for i, shard in enumerate(shards):
            file = f"model-{i + 1:05}-of-{len(shards):05}.safetensors"
            save_file({k: tensors[k] for k in shard}, folder / file, metadata={"format": "pt"})
            weight_map |= {k: file for k in shard}
        total = sum(t.nbytes for t in tensors.values())
        index = {"metadata": {"total_size": total}, "weight_map": weight_map}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=1) + "\n")
    else:
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    written = {k: v for k, v in config.to_diff_dict().items()} | {"architectures": [type(model).__name__]} | overrides
    sizes = {k: v for k, v in config.to_dict().items() if k in GPT2 or k in LLAMA or k == "num_key_value_heads"}
    written = {k: v for k, v in (sizes | written).items() if not (k in overrides and v is None)}
    (folder / "config.json").write_text(json.dumps(written, indent=2, sort_keys=True) + "\n")
    # The goldens come from the directory as it lies there.
    loaded = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
    for (key, a), (_, b) in zip(model.state_dict().items(), loaded.state_dict().items(), strict=True):
        assert torch.equal(a, b), (name, key)
    return loaded


# ----------------------------------------------------------------------------------------------- what transformers says
def matrix_of_words(model):
    return model.get_input_embeddings().weight


def states(model, embeddings):
    """Hidden states after the last normalisation, [T, K], from rows of the matrix of words or rows like them, which
    Gemma multiplies by √K.
    """
    scale = getattr(model.get_input_embeddings(), "scalar_embed_scale", 1)
    return model.base_model(inputs_embeds=scale * embeddings[None], use_cache=False).last_hidden_state[0]


def through(model, embeddings):
    """Hidden states after the last normalisation, and logits: [T, K], [T, N]."""
    hidden = states(model, embeddings)
    return hidden, model.get_output_embeddings()(hidden)


def golden(model, ids, targets):
    embeddings = matrix_of_words(model)[torch.tensor(ids)].detach().requires_grad_()
    hidden, logits = through(model, embeddings)
    expected = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0]
    assert torch.allclose(logits, expected, rtol=1e-5, atol=1e-5)
    loss = F.cross_entropy(logits, torch.tensor(targets))  # mean over positions
    loss.backward()
    return hidden.detach(), logits.detach(), loss.item(), embeddings.grad


def continuation(model, ids, tokens=16):
    """The greedy continuation, and by how much the chosen token's logit leads at the closest of the choices."""
    out = model.generate(
        torch.tensor([ids]), attention_mask=torch.ones(1, len(ids), dtype=torch.int64), do_sample=False,
            max_new_tokens=tokens,
        min_new_tokens=tokens, pad_token_id=0, eos_token_id=None,
    )[0].tolist()  # fmt: skip
    assert len(out) == len(ids) + tokens
    with torch.no_grad():
        best = model(input_ids=torch.tensor([out]), use_cache=False).logits[0, len(ids) - 1 : -1].topk(2).values
    margin = (best[:, 0] - best[:, 1]).min().item()
    assert margin > 1e-3, "too close a choice for a golden"
    return {"prompt": ids, "continuation": out[len(ids) :]}


def write(name, tensors, record):
    (fixtures / "goldens").mkdir(exist_ok=True)
    save_file({k: v.contiguous().clone() for k, v in tensors.items()}, fixtures / "goldens" / f"{name}.safetensors")
    (fixtures / "goldens" / f"{name}.json").write_text(json.dumps(record, separators=(",", ":")) + "\n")


def tiny(name):
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
    greedy = [continuation(model, randint(words, length)) for length in (1, 5, 12)]
    write(name, tensors, {"sequences": sequences, "greedy": greedy})
    return model


# ----------------------------------------------------------------------------------------------- twin of the base model
def base_model(name, model, users=5, items=9):
    """Eq. 3: embeddings of words (frozen), users and items (tables); heads tied to the items (Eq. 4, 9) or the
    vocabulary (Eq. 5).
    """
    words, width = matrix_of_words(model).shape
    model.requires_grad_(False)
    scale = matrix_of_words(model).std()
    tables = {"users": scale * randn(users, width), "items": scale * randn(items, width)}
    user = lambda i: words + i  # noqa: E731
    item = lambda j: words + users + j  # noqa: E731
    w = randint(words, 40)

    # −1: no target. Items stand in the prompt and in the head; soft tokens repeat inside a document and across
    # documents.
    histories = [
        ([user(0), w[0], w[1], item(3), item(1), item(3)], [-1, -1, item(3), item(1), item(3), item(8)]),
        ([user(4), w[2], item(3), item(3), item(3)], [-1, item(3), item(3), item(3), -1]),
        ([item(7)], [item(0)]),
        ([user(0), user(0), item(1), w[3]], [-1, -1, -1, item(1)]),
        ([w[4], w[5], w[6]], [item(2), -1, item(5)]),
    ]
    texts = [
        ([user(1), w[7], item(2), w[8], w[9], w[10]], [-1, -1, w[8], w[9], w[10], w[11]]),
        ([user(1), item(2), user(1), w[12]], [-1, w[12], w[12], w[13]]),
        ([user(3), w[14]], [w[14], -1]),
        ([w[15], w[16], w[15]], [w[16], w[15], w[17]]),
        ([item(8), w[18], item(8), w[19], w[20], w[21], w[22]], [w[18], -1, -1, w[20], w[21], w[22], -1]),
    ]
    prompts = [  # multi-hot held-out items by index, some of them in the prompt too
        ([user(2), w[23], item(0), item(4), w[24]], [6]),
        ([user(2), item(6), item(6), w[25]], [1, 4, 6]),
        ([item(5)], [0, 1, 2, 3, 4, 5, 6, 7, 8]),
        ([w[26], w[27]], [8, 2]),
        ([user(0), w[28], item(2), item(7), item(0), item(3), w[29], w[30]], [5, 7]),
    ]

    def run(documents, classes, scored):
        """Losses of all documents as a function of the tables; `scored` gives (position, target) pairs of a
        document.
        """
        users_table = tables["users"].clone().requires_grad_()
        items_table = tables["items"].clone().requires_grad_()
        extended = torch.cat([matrix_of_words(model), users_table, items_table])
        losses, count = [], 0
        for ids, wanted in documents:
            hidden = states(model, extended[torch.tensor(ids)])
            head = items_table if classes == "items" else model.get_output_embeddings().weight
            log_p = F.log_softmax(hidden @ head.T, dim=-1)
            pairs = scored(ids, wanted)
            losses.append(-sum(log_p[t, c] for t, c in pairs))
            count += len(pairs)
        return users_table, items_table, torch.stack(losses), count

    def at_targets(first):
        return lambda ids, wanted: [(t, c - first) for t, c in enumerate(wanted) if c >= 0]

    kinds = {
        "nextItem": (histories, "items", at_targets(words + users)),
        "nextWord": (texts, "words", at_targets(0)),
        "heldOut": (prompts, "items", lambda ids, wanted: [(len(ids) - 1, c) for c in wanted]),
    }
    tensors = {f"table.{k}": v for k, v in tables.items()}
    record = {"users": users, "items": items, "kinds": {}}
    for kind, (documents, classes, scored) in kinds.items():
        entry = {"documents": [{"ids": a, "targets": b} for a, b in documents], "loss": {}}
        for reduction in ("sum", "target-mean", "document-mean"):
            users_table, items_table, losses, count = run(documents, classes, scored)
            loss = losses.sum() / {"sum": 1, "target-mean": count, "document-mean": len(documents)}[reduction]
            loss.backward()
            entry["loss"][reduction] = loss.item()
            tensors |= {f"{kind}.{reduction}.users": users_table.grad, f"{kind}.{reduction}.items": items_table.grad}
        entry |= {"documentLosses": losses.tolist(), "targets": count}
        record["kinds"][kind] = entry
    extended = torch.cat([matrix_of_words(model), tables["users"], tables["items"]])
    for i, (ids, _) in enumerate(prompts):
        hidden, logits = through(model, extended[torch.tensor(ids)])
        scores = hidden[-1] @ tables["items"].T
        tensors |= {f"prompt.{i}.hidden": hidden, f"prompt.{i}.words": logits[-1], f"prompt.{i}.items": scores}
    write(f"base-{name}", {k: v.detach() for k, v in tensors.items()}, record)


# ---------------------------------------------------------------------------------------------------------- real models
STRIDE = 37  # of the samples: odd and prime, so that every column and every row is met


def in_float64(model):
    """The model in float64 throughout; transformers itself computes norms, softmax and rotary angles in float32
    whatever it is given.
    """
    softmax = F.softmax

    def norm(self, x):
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.variance_epsilon))

    def rotary(self, x, position_ids, **_):
        config = self.config
        size = config.hidden_size // config.num_attention_heads
        frequencies = config.rope_parameters["rope_theta"] ** (-torch.arange(0, size, 2, dtype=torch.float64) / size)
        angles = position_ids[0][:, None] * frequencies
        angles = torch.cat([angles, angles], -1)[None]
        return angles.cos(), angles.sin()

    modeling_llama.LlamaRMSNorm.forward = norm
    modeling_llama.LlamaRotaryEmbedding.forward = rotary
    modeling_llama.nn.functional.softmax = lambda x, dim, dtype=None: softmax(x, dim=dim)
    return model.double()


def real(name, folder, text, lengths, prompt, logits_stride, float64_gradients=False):
    """
    With float64_gradients, the gradients are those of the model in float64, because float32 is too coarse for a golden:
    the first token of smollm2-135m has hidden states of 24,000 beside ones of 1, and PyTorch's own float32 gradient is
    off in the fourth digit. The record says by how much, in the measure of expectRelative (goldens.ts), and as a
    quotient of norms.
    """
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
    tokens = tokenizer(text)["input_ids"]
    tensors, sequences = {}, []
    for i, length in enumerate(lengths):
        assert length < len(tokens), (length, len(tokens))
        ids, targets = tokens[:length], tokens[1 : length + 1]
        hidden, logits, loss, gradient = golden(model, ids, targets)
        best = logits[-1].topk(64)
        tensors |= {
            f"{i}.hidden": hidden.flatten()[::STRIDE],
            f"{i}.gradient": gradient.flatten()[::STRIDE],
            f"{i}.logits": logits[-1, ::logits_stride],
            f"{i}.best": best.values,
            f"{i}.bestIds": best.indices.int(),
        }
        sequences.append({"ids": ids, "targets": targets, "loss": loss})
    greedy = [continuation(model, tokenizer(prompt)["input_ids"])]
    if float64_gradients:
        float32 = [golden(model, s["ids"], s["targets"])[3] for s in sequences]
        model = in_float64(model)
        for i, (sequence, coarse) in enumerate(zip(sequences, float32, strict=True)):
            hidden, _, loss, gradient = golden(model, sequence["ids"], sequence["targets"])
            assert abs(loss - sequence["loss"]) < 1e-5 * loss and torch.allclose(
                hidden.float().flatten()[::STRIDE], tensors[f"{i}.hidden"], rtol=1e-3, atol=1e-3
            )
            tensors[f"{i}.gradient"] = gradient.float().flatten()[::STRIDE]
            difference = coarse - gradient
            scale = gradient.abs().clamp(min=gradient.pow(2).mean().sqrt())
            sequence["pytorchFloat32"] = {
                "worst": (difference.abs() / scale).max().item(),
                "norm": (difference.norm() / gradient.norm()).item(),
            }
    record = {"stride": STRIDE, "logitsStride": logits_stride, "sequences": sequences, "greedy": greedy}
    write(f"real-{name}", tensors, record)


STORY = (
    "Once upon a time there was a little girl named Lily. She loved to play in the park with her dog, Max. One day,"
    " they found a big red ball under a tree. Lily wanted to throw it, but it was too heavy for her. Max barked and"
    " pushed the ball with his nose. It rolled down the hill, faster and faster, until it fell into the pond. \"Oh"
    " no!\" said Lily. \"Now it is wet!\" A kind old frog sat on a leaf. \"I can help you,\" said the frog. He jumped"
    " on the ball and paddled with his long green legs, and slowly the ball came back to the shore. Lily was very"
    " happy. She gave the frog a piece of her bread, and Max wagged his tail. From then on the three of them met at the"
    " pond every day and played together until the sun went down. When the winter came, the pond was covered with ice,"
    " and the frog went to sleep in the mud. Lily and Max waited for him. In spring, when the first flowers bloomed,"
    " they heard a small voice by the water. \"Who wants to play ball?\" it asked. And they all laughed. "
)
REVIEW = (
    "I bought this strap for my acoustic guitar and it has held up well for two years. The leather is soft, the"
    " stitching is clean, and the end holes fit snugly over both strap pins, so the guitar has never slipped. My only"
    " complaint is that the length is hard to adjust with one hand. For the price it is hard to beat, and I would buy"
    " it again for a second guitar."
)

if __name__ == "__main__":
    only_real = sys.argv[1:] == ["real"]
    if not only_real:
        for each in MODELS:  # those of t5.py stay
            shutil.rmtree(fixtures / "models" / each, ignore_errors=True)
    for each in [] if only_real else MODELS:
        reference = tiny(each)
        if each in ("gpt2-untied", "llama-gqa", "qwen2"):
            base_model(each, reference)
    if shared.is_dir():
        smollm2 = subprocess.run(
            ["node", shared / "models" / "unpack.mjs"], check=True, capture_output=True, text=True
        ).stdout.strip()
        real(
            "tinystories-656k",
            shared / "models" / "tinystories-656k",
            2 * STORY,
            [1, 2, 7, 20, 300],
            "Once upon a time",
            1,
        )
        real("smollm2-135m", smollm2, REVIEW, [1, 2, 7, 20, 80], "The capital of France is", 97, float64_gradients=True)
    else:
        print(f"{shared} is absent: the goldens of the real models stay as they are")
