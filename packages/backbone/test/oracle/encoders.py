"""Goldens for text encoders: sentence-transformers, and hidden states of a language model from transformers.

Run with torch 2.15.0, transformers 5.24.0, sentence-transformers 6.2.0, tokenizers 0.23.3, safetensors 0.8.0:
  python encoders.py
Writes
  ../fixtures/models/encoder-NAME/        tiny random encoders with their tokenizers, complete directories
  ../fixtures/goldens/encoder-NAME.*      rows of the texts as sentence-transformers' encode gives them; for BERT
                                          also gradients of weights
  ../fixtures/goldens/encoder-minilm.*    every 16th number of all-MiniLM-L6-v2's rows; skipped where
                                          ../../../../../shared does not have it
  ../fixtures/goldens/encoder-states.*    means of hidden states of the tiny llama-gqa (models.py), after
                                          each of its blocks

Everything is computed in float32. `python encoders.py minilm` writes only MiniLM's, `states` only the last.
"""

import json
import shutil
import sys

import torch
from safetensors.torch import save_file
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoModel, AutoModelForCausalLM, BertConfig, DistilBertConfig, MPNetConfig, RobertaConfig
from transformers import AutoModelForMaskedLM

from models import fixtures, generator, randn, shared, write

TEXTS = [
    "a red lipstick",
    "",
    "The RED lipstick, again: matte & long-lasting!",
    "shampoo",
    "Crème brûlée hand cream, 50 ml — für trockene Hände",
    "  spaces   and\ttabs\n",
    "a very long text about soap, shampoo, brushes and combs, "
    "which goes past the limit of every model here, twice or so",
    "unknown ✓ 漢字 words",
    "a red lipstick",
]
SIZES = dict(
    hidden_size=12, num_hidden_layers=2, num_attention_heads=3, intermediate_size=20, max_position_embeddings=40
)


def word_piece(start, end, pad, unknown, mask):
    tokenizer = Tokenizer(models.WordPiece(unk_token=unknown))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = [pad, unknown, start, end, mask] if pad == "[PAD]" else [start, pad, end, unknown, mask]
    trainer = trainers.WordPieceTrainer(vocab_size=90, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator([text for text in TEXTS if "漢" not in text], trainer)
    pair = [(each, tokenizer.token_to_id(each)) for each in (start, end)]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}", pair=f"{start} $A {end} $B {end}", special_tokens=pair
    )
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer


def byte_level():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=280, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def bert_pieces():
    return word_piece("[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]")


def module(kind, path, idx, package="models"):
    return {"idx": idx, "name": str(idx), "path": path, "type": f"sentence_transformers.{package}.{kind}"}


def old_modes(width, **modes):
    return {"word_embedding_dimension": width} | {f"pooling_mode_{mode}": on for mode, on in modes.items()}


MEAN = dict(cls_token=False, mean_tokens=True, max_tokens=False, mean_sqrt_len_tokens=False)
THREE = [module("Transformer", "", 0), module("Pooling", "1_Pooling", 1), module("Normalize", "2_Normalize", 2)]
# name: (config, tokenizer, tokenizer_config, other files, with the head of masked language modelling)
MODELS = {
    # As all-MiniLM-L6-v2: mean, normalised, cut after 16 tokens; scale and shift under TensorFlow's names.
    "bert": (
        BertConfig(**SIZES, hidden_act="gelu"), bert_pieces,
        {"tokenizer_class": "BertTokenizer", "model_max_length": 512},
        {"modules.json": THREE,
         "1_Pooling/config.json": old_modes(12, **MEAN),
         "sentence_bert_config.json": {"max_seq_length": 16, "do_lower_case": False}},
        False,
    ),
    # The first token, not normalised, a default prompt; saved with a head. As sentence-transformers 6 writes its files.
    "distilbert": (
        DistilBertConfig(dim=12, n_layers=2, n_heads=2, hidden_dim=20, max_position_embeddings=40), bert_pieces,
        {"tokenizer_class": "DistilBertTokenizer", "model_max_length": 30},
        {"modules.json": THREE[:2],
         "1_Pooling/config.json": {"embedding_dimension": 12, "pooling_mode": "cls", "include_prompt": True},
         "sentence_bert_config.json": {}, 
         "config_sentence_transformers.json": {"prompts": {"query": "a soap: "}, "default_prompt_name": "query"}},
        True,
    ),
    # A plain model without sentence-transformers' files: positions after the padding token's, tanh GELU.
    "roberta": (
        RobertaConfig(**SIZES | dict(max_position_embeddings=42, type_vocab_size=1, hidden_act="gelu_new",
                      layer_norm_eps=1e-5)),
        byte_level,
        {"tokenizer_class": "RobertaTokenizer", "model_max_length": 40}, {}, True,
    ),
    # Relative position biases, later tokens count more, normalised.
    "mpnet": (
        MPNetConfig(**SIZES | dict(max_position_embeddings=42)),
        lambda: word_piece("<s>", "</s>", "<pad>", "[UNK]", "<mask>"),
        {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 512},
        {"modules.json": THREE,
         "1_Pooling/config.json": old_modes(12, **MEAN | dict(mean_tokens=False, weightedmean_tokens=True)),
         "sentence_bert_config.json": {"max_seq_length": 20, "do_lower_case": True}},
        False,
    ),
}  # fmt: skip


def randomise(model):
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name.lower():
                parameter.copy_(0.2 * randn(*parameter.shape) + (1 if name.endswith("weight") else 0))
            elif name.endswith("bias"):
                parameter.copy_(0.3 * randn(*parameter.shape))
            elif "embeddings" in name or "relative" in name:
                parameter.copy_(0.7 * randn(*parameter.shape))
            else:
                parameter.copy_(1.3 * randn(*parameter.shape) / parameter.shape[1] ** 0.5)


def tensorflow_names(state):
    return {
        k.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): v
        for k, v in state.items()
    }


def write_model(name):
    config, make_tokenizer, tokenizer_config, files, with_head = MODELS[name]
    tokenizer = make_tokenizer()
    config.vocab_size = tokenizer.get_vocab_size()
    model = (AutoModelForMaskedLM if with_head else AutoModel).from_config(config).eval()
    randomise(model)
    folder = fixtures / "models" / f"encoder-{name}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    state = {k: v.detach().clone().contiguous() for k, v in model.state_dict().items()}
    if with_head:
        state = {k: v for k, v in state.items() if k not in model.all_tied_weights_keys}
    if name == "bert":
        state = tensorflow_names(state) | {"embeddings.position_ids": torch.arange(40)[None]}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    written = config.to_dict() | {"architectures": [type(model).__name__]}
    (folder / "config.json").write_text(json.dumps(written, indent=1, sort_keys=True) + "\n")
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    special = {role: piece for role, piece in roles(tokenizer).items()}
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer_config | special, indent=1) + "\n")
    for file, content in files.items():
        (folder / file).parent.mkdir(exist_ok=True)
        (folder / file).write_text(json.dumps(content, indent=1) + "\n")
    return folder


def roles(tokenizer):
    found = lambda *pieces: next(piece for piece in pieces if tokenizer.token_to_id(piece) is not None)
    return {"cls_token": found("[CLS]", "<s>"), "sep_token": found("[SEP]", "</s>"),
            "pad_token": found("[PAD]", "<pad>"),
            "unk_token": found("[UNK]", "<unk>"), "mask_token": found("[MASK]", "<mask>")}  # fmt: skip


def tiny(name):
    folder = write_model(name)
    encoder = SentenceTransformer(str(folder), device="cpu", model_kwargs={"dtype": torch.float32})
    tensors = {"rows": torch.from_numpy(encoder.encode(TEXTS, batch_size=4))}
    record = {"texts": TEXTS, "maxTokens": encoder.max_seq_length}
    if name == "bert":
        factors = randn(len(TEXTS), 12)
        features = encoder.tokenize(TEXTS)
        (encoder(features)["sentence_embedding"] * factors).sum().backward()
        weights = dict(encoder[0].auto_model.named_parameters())
        # A bias of the keys moves all scores of a query alike, so its gradient is 0 but for rounding.
        trained = [n for n in weights if n.startswith("encoder.layer.1.") and not n.endswith("key.bias")] + [
            "embeddings.word_embeddings.weight"
        ]
        tensors |= {"factors": factors} | {f"gradient.{n}": weights[n].grad for n in trained}
        record["trained"] = trained
    write(f"encoder-{name}", tensors, record)


def minilm():
    folder = shared / "models" / "minilm-l6"
    if not folder.exists():
        return print(f"skipped: no {folder.name}")
    texts = TEXTS + ["lipstick " * 300, "How do I return a broken hair dryer?", "Returning a defective hairdryer"]
    encoder = SentenceTransformer(str(folder), device="cpu", model_kwargs={"dtype": torch.float32})
    rows = torch.from_numpy(encoder.encode(texts))
    write("encoder-minilm", {"rows": rows[:, ::16]}, {"texts": texts, "stride": 16})


def states():
    model = AutoModelForCausalLM.from_pretrained(fixtures / "models" / "llama-gqa", dtype=torch.float32).eval()
    sequences = [torch.randint(48, (length,), generator=generator).tolist() for length in (1, 3, 9, 9, 20)]
    layers = model.config.num_hidden_layers
    tensors = {}
    with torch.no_grad():
        for layer in range(1, layers + 1):
            # hidden_states[layers] has been normalised already; the others have not
            after = lambda ids: model.model(torch.tensor([ids]), output_hidden_states=True).hidden_states[layer]
            normalised = [after(ids) if layer == layers else model.model.norm(after(ids)) for ids in sequences]
            tensors[f"layer.{layer}"] = torch.stack([each[0].mean(0) for each in normalised])
    write("encoder-states", tensors, {"sequences": sequences})


if __name__ == "__main__":
    wanted = sys.argv[1:] or [*MODELS, "minilm", "states"]
    for each in wanted:
        {"minilm": minilm, "states": states}.get(each, lambda: tiny(each))()
