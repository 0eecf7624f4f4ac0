"""Trains the tiny tokenizers of the tests, one per family, on the prose below, and writes them to
../fixtures/tiny/*.json.

Run: python tiny.py [NAME …]        (tokenizers 0.23.3)
Each file is {"tokenizer": tokenizer.json, "config": tokenizer_config.json}. Training is deterministic except for ties
between equally frequent pairs, so the committed files stand; only run this again, with its name, to add a tokenizer.
"""

import json
import pathlib
import sys

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

HERE = pathlib.Path(__file__).resolve().parent
OUT = HERE.parent / "fixtures" / "tiny"

PROSE = """
A recommender looks at what a person has bought, watched or read, and says what that person may like next.
This user has interacted with a guitar, a strap and a set of strings; the user will interact with a tuner.
The user writes the review for the item: I bought this strap for my daughter and she loves it, don't hesitate!
Great sound, fair price, fast shipping. The strings broke after two weeks, so only three stars from me.
My son plays the drums and these sticks last longer than the ones that he had before. Would buy again.
It isn't loud, it's warm and round; perfect for a small room. The cable is too short, though, about 3 metres.
We ordered 12 of them in 2014 and another 250 in 2019: not a single one failed. Five out of five!
I'm not an expert, but they've done a good job, and the manual was easy to read. Batteries weren't included.
Received a different colour than the one shown in the picture; the shop replaced it without any question.
The microphone hisses when the gain is above seven, which is a pity, because the voice itself comes through clear.
"""


def lines():
    return [line for line in PROSE.strip().split("\n") for _ in range(3)]


def special(*contents):
    return [AddedToken(c, special=True, normalized=False) for c in contents]


def byte_bpe():
    """GPT-2's pipeline, with one ordinary (not special) added token, as code models have them."""
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.decoder = decoders.ByteLevel()
    t.post_processor = processors.ByteLevel(trim_offsets=True)
    t.train_from_iterator(
        lines(),
        trainers.BpeTrainer(
            vocab_size=420,
            special_tokens=special("<|endoftext|>"),
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    t.add_tokens([AddedToken("[BOLD]", special=False, normalized=False)])
    return t, {"eos_token": "<|endoftext|>", "clean_up_tokenization_spaces": False}


def llama(scheme):
    """Llama's pipeline in its two spellings: a Prepend normalizer (legacy) or Metaspace that marks only the first
    section.
    """
    t = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    if scheme == "prepend":
        t.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    else:
        t.pre_tokenizer = pre_tokenizers.Metaspace(replacement="\u2581", prepend_scheme="first", split=False)
    t.decoder = decoders.Sequence(
        [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    t.train_from_iterator(
        # A trainer without a pre-tokenizer would merge across words; a word a line keeps the pieces inside words.
        [word for line in lines() for word in line.split()],
        trainers.BpeTrainer(
            vocab_size=600,
            special_tokens=special("<unk>", "<s>", "</s>") + special(*[f"<0x{b:02X}>" for b in range(256)]),
            show_progress=False,
        ),
    )
    data = json.loads(t.to_str())
    # The byte pieces belong to the model; in a Llama file only <unk>, <s> and </s> are added tokens.
    data["added_tokens"] = [a for a in data["added_tokens"] if not a["content"].startswith("<0x")]
    data["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}},
    }
    return Tokenizer.from_str(json.dumps(data)), {
        "bos_token": "<s>",
        "eos_token": "</s>",
        "unk_token": "<unk>",
        "clean_up_tokenization_spaces": False,
    }


def unigram():
    """T5's pipeline: NFKC, split at white space, a metaspace before every word."""
    t = Tokenizer(models.Unigram())
    t.normalizer = normalizers.NFKC()
    t.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(replacement="\u2581", prepend_scheme="always")]
    )
    t.decoder = decoders.Metaspace(replacement="\u2581", prepend_scheme="always")
    t.train_from_iterator(
        lines(),
        trainers.UnigramTrainer(
            vocab_size=300, special_tokens=special("<pad>", "</s>", "<unk>"), unk_token="<unk>", show_progress=False
        ),
    )
    return t, {"eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>", "clean_up_tokenization_spaces": False}


def word_piece():
    """BERT's pipeline, uncased."""
    t = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    t.normalizer = normalizers.BertNormalizer(lowercase=True)
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.decoder = decoders.WordPiece(prefix="##", cleanup=False)
    t.train_from_iterator(
        lines(),
        trainers.WordPieceTrainer(
            vocab_size=350, special_tokens=special("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"), show_progress=False
        ),
    )
    return t, {
        "cls_token": "[CLS]",
        "sep_token": "[SEP]",
        "pad_token": "[PAD]",
        "unk_token": "[UNK]",
        "clean_up_tokenization_spaces": False,
    }


def qwen():
    """Qwen2's and Qwen3's pipeline: NFC, their own pattern instead of GPT-2's (Llama 3 and SmolLM3 differ in the
    digits), byte level.
    """
    t = Tokenizer(models.BPE())
    t.normalizer = normalizers.NFC()
    pattern = (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|"
        r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    )
    t.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    t.decoder = decoders.ByteLevel()
    t.post_processor = processors.ByteLevel(trim_offsets=False)
    t.train_from_iterator(
        lines(),
        trainers.BpeTrainer(
            vocab_size=420, special_tokens=[], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
        ),
    )
    t.add_special_tokens(special("<|endoftext|>", "<|im_start|>", "<|im_end|>"))
    t.add_tokens([AddedToken("<think>", special=False, normalized=False)])
    return t, {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", "clean_up_tokenization_spaces": False}


def gemma():
    """Gemma's pipeline: spaces become \u2581 in a normalizer, nothing is put in front, bytes where a character is
    unknown.
    """
    t = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    t.normalizer = normalizers.Replace(" ", "\u2581")
    t.pre_tokenizer = pre_tokenizers.Split(" ", behavior="merged_with_previous")
    t.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()])
    t.train_from_iterator(
        [" " + word for line in lines() for word in line.split()],
        trainers.BpeTrainer(
            vocab_size=600,
            special_tokens=special("<pad>", "<eos>", "<bos>", "<unk>") + special(*[f"<0x{b:02X}>" for b in range(256)]),
            show_progress=False,
        ),
    )
    data = json.loads(t.to_str())
    data["added_tokens"] = [a for a in data["added_tokens"] if not a["content"].startswith("<0x")]
    return with_first(data, "<bos>", 2), {
        "bos_token": "<bos>",
        "eos_token": "<eos>",
        "pad_token": "<pad>",
        "unk_token": "<unk>",
        "clean_up_tokenization_spaces": False,
    }


def opt():
    """OPT's pipeline: GPT-2's, with </s> before every text."""
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.decoder = decoders.ByteLevel()
    t.train_from_iterator(
        lines(),
        trainers.BpeTrainer(
            vocab_size=420, special_tokens=special("<s>", "<pad>", "</s>"),
                initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )  # fmt: skip
    config = {
        "bos_token": "</s>",
        "eos_token": "</s>",
        "unk_token": "</s>",
        "pad_token": "<pad>",
        "clean_up_tokenization_spaces": False,
    }
    return with_first(json.loads(t.to_str()), "</s>", 2), config


def with_first(data, token, index):
    """The tokenizer with a post-processor that puts a token before every text."""
    data["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": token, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {token: {"id": token, "ids": [index], "tokens": [token]}},
    }
    return Tokenizer.from_str(json.dumps(data))


OUT.mkdir(parents=True, exist_ok=True)
TOKENIZERS = {
    "byte-bpe": byte_bpe,
    "llama-prepend": lambda: llama("prepend"),
    "llama-first": lambda: llama("first"),
    "unigram": unigram,
    "word-piece": word_piece,
    "qwen": qwen,
    "gemma": gemma,
    "opt": opt,
}
for name in sys.argv[1:] or TOKENIZERS:
    tokenizer, config = TOKENIZERS[name]()
    body = {"tokenizer": json.loads(tokenizer.to_str()), "config": config}
    (OUT / f"{name}.json").write_text(
        json.dumps(body, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8"
    )
    print(name, tokenizer.get_vocab_size())
