"""Goldens for T5: from Hugging Face transformers, and from a twin of the base model over T5 in PyTorch.

Run with torch 2.15.0, transformers 5.23.0 (mT5 and UMT5: 5.24.0), safetensors 0.8.0:  python t5.py; python t5.py later:
only these two Writes, beside what models.py writes and in the same forms,
  ../fixtures/models/t5*/             tiny random models, complete Hugging Face directories
  ../fixtures/goldens/t5*.*           hidden states of the decoder, logits, loss, gradients towards both inputs,
                                      continuations
  ../fixtures/goldens/base-t5*.*      losses of the three heads, gradients of all soft rows
  ../fixtures/goldens/weights-t5*.*   gradients of every weight, as weights.py has them
  ../fixtures/goldens/t5-buckets.json the bucket of every distance, for several numbers of buckets

Everything is computed in float32 with attn_implementation="eager", one document at a time: no padding, no batches, no
cache.
"""

import json
import shutil
import sys
import zlib

import torch
from safetensors.torch import save_file
from torch.nn import functional as F
from transformers import AutoModelForSeq2SeqLM, MT5Config, T5Config, UMT5Config
from transformers.models.t5.modeling_t5 import T5Attention

from models import fixtures, generator, randint, randn, write

SIZES = dict(
    vocab_size=48, d_model=16, d_kv=6, d_ff=40, num_layers=2, num_heads=3, decoder_start_token_id=0, pad_token_id=0
)
UNUSED = "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"


def with_copies(state):
    """As the first checkpoints were written: the embeddings three times, and a table that nobody reads."""
    for stack in ("encoder", "decoder"):
        state[f"{stack}.embed_tokens.weight"] = state["shared.weight"].clone()
    return state | {UNUSED: randn(32, 3)}


def without_shared(state):
    """The embeddings under the encoder's name only."""
    state["encoder.embed_tokens.weight"] = state.pop("shared.weight")
    return state


# name: (config, untied, what the file holds instead of the state dict, how config.json differs from what transformers 5
# writes)
MODELS = {
    # T5 1.0: ReLU, tied and scaled head. config.json as transformers 4 wrote it.
    "t5": (
        T5Config(**SIZES, eos_token_id=None, n_positions=640),
        False,
        with_copies,
        {"scale_decoder_outputs": None, "tie_word_embeddings": None, "dense_act_fn": None, "is_gated_act": None},
    ),
    # T5 1.1 and Flan-T5: gated GELU, a head of its own without scale; a deeper decoder, few buckets. config.json as
    # transformers 4 wrote it.
    "t5-gated": (
        T5Config(
            **SIZES | dict(num_decoder_layers=3, d_kv=4, num_heads=2), feed_forward_proj="gated-gelu",
                tie_word_embeddings=False,
            relative_attention_num_buckets=8, relative_attention_max_distance=20, eos_token_id=1,
        ),
        True,
        dict,
        {"scale_decoder_outputs": None, "tie_word_embeddings": False},
    ),
    # The same family as transformers 5 writes it, in BF16: "tied", but not scaled, with a head in the file.
    "t5-bfloat16": (
        T5Config(**SIZES | dict(num_layers=1), feed_forward_proj="gated-silu", tie_word_embeddings=False,
            eos_token_id=None),
        True,
        dict,
        {},
    ),
    # Exact GELU without a gate, tied.
    "t5-gelu": (T5Config(**SIZES | dict(num_layers=3, num_decoder_layers=1), feed_forward_proj="gelu",
        eos_token_id=None), False, without_shared, {}),
    # mT5 as Google published it: gated GELU by default, a head of its own.
    "mt5": (
        MT5Config(**SIZES, eos_token_id=None),
        True,
        dict,
        {"tie_word_embeddings": False, "dense_act_fn": None, "is_gated_act": None, "feed_forward_proj": None},
    ),
    # UMT5: position biases in every block, the tied head scaled.
    "umt5": (UMT5Config(**SIZES | dict(num_layers=3, d_kv=4), eos_token_id=None, relative_attention_num_buckets=8,
                        relative_attention_max_distance=20), False, dict, {"scalable_attention": True}),
    # … and with a head of its own, not scaled, as files for transformers 4 say it.
    "umt5-untied": (UMT5Config(**SIZES, eos_token_id=None, tie_word_embeddings=False), True, dict,
                    {"tie_word_embeddings": False, "scale_decoder_outputs": None}),
}  # fmt: skip
BFLOAT16 = ["t5-bfloat16"]
LONG = ["t5"]
LENGTHS = [(1, 1), (2, 7), (20, 3), (13, 20)]  # of encoder and decoder
LONG_LENGTHS = [(300, 40), (30, 300), (600, 520)]


def randomise(model):
    """Weights that make every part matter: attention far from uniform, norms far from 1, biases that change what is
    looked at.
    """
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = randn(*parameter.shape)
            if "layer_norm" in name:
                parameter.copy_(1 + 0.2 * noise)
            elif "relative_attention_bias" in name:
                parameter.copy_(noise)
            elif name in ("shared.weight", "lm_head.weight"):
                parameter.copy_(noise)
            elif name.endswith(".q.weight"):
                parameter.copy_(1.5 * noise / (parameter.shape[1] * model.config.d_kv) ** 0.5)
            else:
                parameter.copy_(1.3 * noise / parameter.shape[1] ** 0.5)


def write_model(name):
    config, untied, stored, overrides = MODELS[name]
    torch.manual_seed(0)
    model = AutoModelForSeq2SeqLM.from_config(config, attn_implementation="eager").eval()
    if untied:
        model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.detach().clone())
    randomise(model)
    if name in BFLOAT16:
        model = model.to(torch.bfloat16).float()
    folder = fixtures / "models" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    state = {k: v.detach().clone() for k, v in model.state_dict().items() if "embed_tokens" not in k}
    if not untied:
        state.pop("lm_head.weight")
    tensors = stored(state)
    if name in BFLOAT16:
        tensors = {k: v.to(torch.bfloat16) for k, v in tensors.items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    written = json.loads(config.to_json_string(use_diff=False)) | {"architectures": [type(model).__name__]}
    known = set(T5Config().to_dict()) - {"dtype", "transformers_version", "id2label", "label2id"} | {
        "n_positions",
        "scale_decoder_outputs",
    }
    written = {
        k: v for k, v in written.items() if k in known or k in ("architectures", "model_type", "decoder_start_token_id")
    }
    for key, value in overrides.items():
        written[key] = value
        if value is None:
            del written[key]
    (folder / "config.json").write_text(json.dumps(written, indent=2, sort_keys=True) + "\n")
    loaded = AutoModelForSeq2SeqLM.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
    for (key, a), (_, b) in zip(model.state_dict().items(), loaded.state_dict().items(), strict=True):
        assert torch.equal(a, b), (name, key)
    assert word_scale(loaded) == 1 or not untied
    return loaded


# ----------------------------------------------------------------------------------------------- what transformers says
def decoded(model, encoder_embeddings, decoder_embeddings):
    """The decoder's hidden states after the last normalisation, [T, K]."""
    states = model.encoder(inputs_embeds=encoder_embeddings[None]).last_hidden_state
    return model.decoder(
        inputs_embeds=decoder_embeddings[None], encoder_hidden_states=states, use_cache=False
    ).last_hidden_state[0]


def word_scale(model):
    return model.config.d_model**-0.5 if getattr(model.config, "scale_decoder_outputs", False) else 1


def golden(model, encoder_ids, decoder_ids, targets):
    words = model.shared.weight
    inputs = [words[torch.tensor(ids)].detach().requires_grad_() for ids in (encoder_ids, decoder_ids)]
    hidden = decoded(model, *inputs)
    logits = model.lm_head(hidden * word_scale(model))
    expected = model(
        input_ids=torch.tensor([encoder_ids]), decoder_input_ids=torch.tensor([decoder_ids]), use_cache=False
    ).logits[0]
    assert torch.allclose(logits, expected, rtol=1e-5, atol=1e-5)
    loss = F.cross_entropy(logits, torch.tensor(targets))  # mean over positions
    loss.backward()
    return hidden.detach(), logits.detach(), loss.item(), *(each.grad for each in inputs)


def continuation(model, ids, tokens=16):
    out = model.generate(
        torch.tensor([ids]), attention_mask=torch.ones(1, len(ids), dtype=torch.int64), do_sample=False,
            max_new_tokens=tokens,
        min_new_tokens=tokens, eos_token_id=None, decoder_start_token_id=0, num_beams=1, use_cache=False,
    )[0].tolist()  # fmt: skip
    assert out[0] == 0 and len(out) == 1 + tokens
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([ids]), decoder_input_ids=torch.tensor([out]), use_cache=False).logits[
            0, :-1
        ]
    best = logits.topk(2).values
    assert (best[:, 0] - best[:, 1]).min().item() > 1e-3, "too close a choice for a golden"
    return {"prompt": ids, "continuation": out[1:]}


def clear_continuation(model, length):
    """Of the first prompt after which no choice is too close."""
    while True:
        try:
            return continuation(model, randint(model.config.vocab_size, length))
        except AssertionError:
            continue


def tiny(name):
    model = write_model(name)
    words = model.config.vocab_size
    tensors, sequences = {}, []
    for i, (read, written) in enumerate(LENGTHS + (LONG_LENGTHS if name in LONG else [])):
        encoder_ids, decoder_ids, targets = randint(words, read), randint(words, written), randint(words, written)
        hidden, logits, loss, encoder_gradient, decoder_gradient = golden(model, encoder_ids, decoder_ids, targets)
        tensors |= {
            f"{i}.hidden": hidden,
            f"{i}.encoderGradient": encoder_gradient,
            f"{i}.decoderGradient": decoder_gradient,
        }
        if i < len(LENGTHS):
            tensors[f"{i}.logits"] = logits
        sequences.append({"encoderIds": encoder_ids, "decoderIds": decoder_ids, "targets": targets, "loss": loss})
    greedy = [
        clear_continuation(model, length) if name in LATER else continuation(model, randint(words, length))
        for length in (1, 5, 12)
    ]
    write(name, tensors, {"sequences": sequences, "greedy": greedy})
    return model


# ----------------------------------------------------------------------------------------------- twin of the base model
def base_model(name, model, users=5, items=9):
    """
    Eq. 3 with the prompt in the encoder and the main text in the decoder (A.1). The head over items is tied to input
    embeddings and so takes hidden states times K^-1/2, as T5's own tied head does; the head over words is T5's own.
    """
    words, width = model.shared.weight.shape
    model.requires_grad_(False)
    tables = {"users": randn(users, width), "items": randn(items, width)}
    user = lambda i: words + i  # noqa: E731
    item = lambda j: words + users + j  # noqa: E731
    w = randint(words, 40)

    # −1: no target. Items stand in the encoder, the decoder and the head; soft tokens repeat within a document and
    # across documents.
    histories = [
        ([user(0), w[0], w[1], 1], [0, item(3), item(1), item(3)], [item(3), item(1), item(3), item(8)]),
        ([user(4), w[2]], [0, item(3), item(3)], [item(3), item(3), item(3)]),
        ([item(7)], [0], [item(0)]),
        ([user(0), user(0), item(1), w[3]], [0, user(2), w[4]], [-1, -1, item(1)]),
        ([w[5], w[6]], [0, w[7], w[8], w[9]], [item(2), -1, item(5), -1]),
    ]
    texts = [
        ([user(1), w[7], item(2), w[8]], [0, w[9], w[10], w[11]], [w[9], w[10], w[11], w[12]]),
        ([user(1), item(2), user(1)], [0, item(2), w[13]], [w[12], w[12], w[13]]),
        ([user(3)], [0], [w[14]]),
        ([w[15], w[16]], [0, w[15]], [w[16], -1]),
        ([item(8), w[18], item(8)], [0, w[19], w[20], w[21], w[22]], [w[18], -1, -1, w[20], w[21]]),
    ]
    prompts = [  # multi-hot held-out items by index, some of them in the prompt too
        ([user(2), w[23], item(0), item(4), w[24], 1], [0], [6]),
        ([user(2), item(6), item(6), w[25]], [0], [1, 4, 6]),
        ([item(5)], [0], [0, 1, 2, 3, 4, 5, 6, 7, 8]),
        ([w[26], w[27]], [0, item(3), w[31]], [8, 2]),
        ([user(0), w[28], item(2), item(7), item(0), item(3), w[29], w[30]], [0], [5, 7]),
    ]

    def run(documents, classes, scored):
        users_table = tables["users"].clone().requires_grad_()
        items_table = tables["items"].clone().requires_grad_()
        extended = torch.cat([model.shared.weight, users_table, items_table])
        losses, count = [], 0
        for encoder_ids, decoder_ids, wanted in documents:
            hidden = decoded(model, extended[torch.tensor(encoder_ids)], extended[torch.tensor(decoder_ids)])
            logits = (
                hidden * width**-0.5 @ items_table.T
                if classes == "items"
                else model.lm_head(hidden * word_scale(model))
            )
            log_p = F.log_softmax(logits, dim=-1)
            pairs = scored(decoder_ids, wanted)
            losses.append(-sum(log_p[t, c] for t, c in pairs))
            count += len(pairs)
        return users_table, items_table, torch.stack(losses), count

    def at_targets(first):
        return lambda _, wanted: [(t, c - first) for t, c in enumerate(wanted) if c >= 0]

    kinds = {
        "nextItem": (histories, "items", at_targets(words + users)),
        "nextWord": (texts, "words", at_targets(0)),
        "heldOut": (prompts, "items", lambda ids, wanted: [(len(ids) - 1, c) for c in wanted]),
    }
    tensors = {f"table.{k}": v for k, v in tables.items()}
    record = {"users": users, "items": items, "kinds": {}}
    for kind, (documents, classes, scored) in kinds.items():
        entry = {"documents": [{"encoderIds": a, "decoderIds": b, "targets": c} for a, b, c in documents], "loss": {}}
        for reduction in ("sum", "target-mean", "document-mean"):
            users_table, items_table, losses, count = run(documents, classes, scored)
            loss = losses.sum() / {"sum": 1, "target-mean": count, "document-mean": len(documents)}[reduction]
            loss.backward()
            entry["loss"][reduction] = loss.item()
            tensors |= {f"{kind}.{reduction}.users": users_table.grad, f"{kind}.{reduction}.items": items_table.grad}
        entry |= {"documentLosses": losses.tolist(), "targets": count}
        record["kinds"][kind] = entry
    extended = torch.cat([model.shared.weight, tables["users"], tables["items"]])
    for i, (encoder_ids, decoder_ids, _) in enumerate(prompts):
        hidden = decoded(model, extended[torch.tensor(encoder_ids)], extended[torch.tensor(decoder_ids)])
        tensors |= {
            f"prompt.{i}.hidden": hidden,
            f"prompt.{i}.words": model.lm_head(hidden[-1] * word_scale(model)),
            f"prompt.{i}.items": hidden[-1] * width**-0.5 @ tables["items"].T,
        }
    write(f"base-{name}", {k: v.detach() for k, v in tensors.items()}, record)


def weights(name, model, kinds, users=3, items=5):
    """∂loss/∂weight of the mean next-word loss over plain text (words), and of the mean next-item loss with users and
    items (items).
    """
    model.requires_grad_(True)
    words, width = model.shared.weight.shape
    texts = [
        (randint(words, read), [0, *randint(words, length - 1)], randint(words, length))
        for read, length in ((1, 1), (9, 4), (3, 14), (20, 7))
    ]
    table = 0.5 * randn(users + items, width)
    item = words + users
    histories = [
        ([words, 1, item + 2, 1], [0, item + 4, item + 2], [item + 4, item + 2, item]),
        ([words + 2, item + 1, 3], [0, item], [item, item + 3]),
        ([item + 3], [0], [item + 1]),
    ]
    tensors = {"users": table[:users].clone(), "items": table[users:].clone()}
    record = {"users": users, "words": {"documents": texts}, "items": {"count": items, "documents": histories}}
    for kind in kinds:
        users_table, items_table = table[:users].clone().requires_grad_(), table[users:].clone().requires_grad_()
        losses = []
        for encoder_ids, decoder_ids, targets in texts if kind == "words" else histories:
            extended = torch.cat([model.shared.weight, users_table, items_table])
            hidden = decoded(model, extended[torch.tensor(encoder_ids)], extended[torch.tensor(decoder_ids)])
            logits = (
                model.lm_head(hidden * word_scale(model)) if kind == "words" else hidden * width**-0.5 @ items_table.T
            )
            first = 0 if kind == "words" else item
            losses.append(F.cross_entropy(logits, torch.tensor(targets) - first, reduction="none"))
        loss = torch.cat(losses).mean()
        model.zero_grad()
        loss.backward()
        record[kind]["loss"] = loss.item()
        for weight, parameter in model.named_parameters():  # a tied matrix is listed once
            if parameter.grad is not None:
                tensors[f"{kind}.{weight}"] = parameter.grad.clone()
        if kind == "items":
            tensors |= {"items.users": users_table.grad.clone(), "items.items": items_table.grad.clone()}
    write(f"weights-{name}", tensors, record)


def buckets():
    cases = []
    for count, distance in ((32, 128), (8, 20), (16, 64), (5, 9), (64, 256)):
        relative = torch.arange(-distance - 3, distance + 4)
        # noqa: B023, E731
        find = lambda both: T5Attention._relative_position_bucket(relative, both, count, distance).tolist()
        cases.append(
            {"positionBuckets": count, "maxDistance": distance, "bidirectional": find(True), "causal": find(False)}
        )
    (fixtures / "goldens" / "t5-buckets.json").write_text(json.dumps(cases, separators=(",", ":")) + "\n")


# Those that joined later have seeds of their own, so that the others stay as they are.
LATER = ["mt5", "umt5", "umt5-untied"]


def later(name):
    generator.manual_seed(zlib.crc32(name.encode()))
    model = tiny(name)
    if name == "umt5":
        weights(name, model, ["words", "items"])


if __name__ == "__main__":
    for each in LATER:
        later(each)
    if sys.argv[1:] == ["later"]:
        sys.exit()
    generator.manual_seed(20261121)
    buckets()
    references = {}
    for each in [name for name in MODELS if name not in LATER]:
        references[each] = tiny(each)
        if each in ("t5", "t5-gated"):
            base_model(each, references[each])
    weights("t5", references["t5"], ["words"])
    weights("t5-gated", references["t5-gated"], ["words", "items"])
