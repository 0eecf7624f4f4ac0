"""What transformers computes with the bundled tiny LM, which this repository's own engine trained and wrote.

Run with torch 2.15.0, transformers 5.23.0, after scripts/pretrain-tiny-lm.mjs:  python
packages/cli/test/oracle/tiny_lm.py Writes ../fixtures/tiny-lm.json: for some texts the tokens, the mean next-word loss,
and the first logits after the last token; and the merges that the BpeTrainer of tokenizers 0.23.3 learns from some
sentences.
"""
import json
import pathlib

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import AutoModelForCausalLM, AutoTokenizer

here = pathlib.Path(__file__).resolve().parent
folder = here.parent.parent / "embedded" / "tiny-lm"
TEXTS = [
    "The user has interacted with Velorin rustic copper kettle Oskarda plain oak pie dish the user will interact with:",
    "I use it every day. The oak bread board feels honest and earthy.",
    "Text that no shop of this kind has: 42 % of \u00fc\u00f1\u00efc\u00f6de, (brackets)!",
]


def bpe():
    texts = [
        f"{a} {b}'s {c}, {a}{c} and {b}{b}; {len(a) * 37} times."
        for a in ("low", "lower", "newest")
        for b in ("wide", "widest", "\u00e9t\u00e9")
        for c in ("slow", "blow")
    ]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    size = 300
    tokenizer.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=size,
            min_frequency=2,
            special_tokens=["<|endoftext|>"],
            initial_alphabet=alphabet,
            show_progress=False,
        ),
    )
    model = json.loads(tokenizer.to_str())["model"]
    return {
        "texts": texts,
        "size": size,
        "vocab": model["vocab"],
        "merges": [" ".join(pair) for pair in model["merges"]],
    }


def main():
    torch.set_num_threads(1)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
    texts = []
    for text in TEXTS:
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert tokenizer.decode(ids) == text, tokenizer.decode(ids)
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([ids])).logits[0]
        loss = torch.nn.functional.cross_entropy(logits[:-1], torch.tensor(ids[1:])).item()
        texts.append(
            {"text": text, "ids": ids, "loss": loss, "logits": [round(x, 6) for x in logits[-1, :64].tolist()]}
        )
    (here.parent / "fixtures" / "tiny-lm.json").write_text(
        json.dumps({"texts": texts, "bpe": bpe()}, separators=(",", ":")) + "\n"
    )


if __name__ == "__main__":
    main()
