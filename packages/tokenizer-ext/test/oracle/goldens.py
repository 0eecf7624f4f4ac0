"""Token ids from Python, the independent oracle, for every base tokenizer of bases.json. Writes
../fixtures/goldens/<name>.json.

Run, after the build of this package, from its directory (transformers 5.23.0, tokenizers 0.23.3):
    node test/oracle/export.mjs SHARED EXPORTS && python test/oracle/goldens.py SHARED EXPORTS
SHARED is a directory that holds models/ with the real tokenizers; EXPORTS receives our exports.

"data":    texts encoded by the base tokenizer with special tokens switched off (encode_special_tokens), as plain data.
           "leaks" marks texts from which Python makes a special token all the same.
"prompts": strings encoded by transformers from *our export*, whose sha256 is kept: a test proves that today's export is
that file.
"""

import hashlib
import json
import pathlib
import sys

import tokenizers
import transformers
from texts import NASTY, ORDINARY, SPECIALS, TEMPLATES
from tokenizers import Tokenizer
from tokenizers.implementations import ByteLevelBPETokenizer
from transformers import AutoTokenizer, PreTrainedTokenizerFast

HERE = pathlib.Path(__file__).resolve().parent
SHARED, EXPORTS = map(pathlib.Path, sys.argv[1:3])
USERS, ITEMS = 50, 40


def base_tokenizer(base):
    if base.get("tiny"):
        body = json.loads((HERE.parent / "fixtures" / "tiny" / f"{base['name']}.json").read_text(encoding="utf-8"))
        return Tokenizer.from_str(json.dumps(body["tokenizer"]))
    directory = SHARED / base["shared"]
    if (directory / "tokenizer.json").exists():
        return Tokenizer.from_file(str(directory / "tokenizer.json"))
    # vocab.json + merges.txt: Python's own class for the pair, not the tokenizer.json that byteLevelBpe builds.
    pair = ByteLevelBPETokenizer(str(directory / "vocab.json"), str(directory / "merges.txt"), add_prefix_space=False)
    pair.add_special_tokens(["<|endoftext|>"])
    return pair._tokenizer


def mixtures():
    """Slots on either side of every text that Python would not itself take apart, as parts and as the string they
    spell.
    """
    texts = [t for t in ORDINARY + NASTY if "<user_" not in t and "<item_" not in t]
    for n, text in enumerate(texts):
        user, item = n % USERS, (7 * n) % ITEMS
        yield [{"user": user}, text, {"item": item}, {"item": (item + 1) % ITEMS}, " " + text + " ", {"user": 0}, text]
        yield [text, {"item": item}, text]


def spell(parts):
    return "".join(p if isinstance(p, str) else "".join(f"<{k}_{v}>" for k, v in p.items()) for p in parts)


(HERE.parent / "fixtures" / "goldens").mkdir(parents=True, exist_ok=True)
for base in json.loads((HERE / "bases.json").read_text()):
    name, rows = base["name"], base["rows"]
    plain = base_tokenizer(base)
    special = {i for i, t in plain.get_added_tokens_decoder().items() if t.special}
    unknown = plain.token_to_id(getattr(plain.model, "unk_token", None) or "<unk>")
    plain.encode_special_tokens = True
    data = []
    for text in ORDINARY + NASTY + SPECIALS:
        ids = plain.encode(text, add_special_tokens=False).ids
        row = {"text": text, "ids": ids}
        if (special - {unknown}) & set(ids):
            row["leaks"] = True
        data.append(row)

    export = EXPORTS / name / "tokenizer.json"
    readers = {
        "AutoTokenizer": AutoTokenizer.from_pretrained(str(EXPORTS / name)),
        "PreTrainedTokenizerFast": PreTrainedTokenizerFast(tokenizer_file=str(export)),
    }
    raw = Tokenizer.from_file(str(export))

    def encode(text):
        ids = raw.encode(text, add_special_tokens=False).ids
        for reader, tokenizer in readers.items():
            other = tokenizer(text, add_special_tokens=False)["input_ids"]
            assert other == ids, (name, reader, text, ids, other)
        return ids

    for tokenizer in readers.values():
        assert len(tokenizer) == rows + USERS + ITEMS, (name, len(tokenizer))
        assert tokenizer.convert_tokens_to_ids(["<user_0>", "<user_49>", "<item_0>", "<item_39>"]) == [
            rows, rows + 49, rows + USERS, rows + USERS + 39,
        ], name  # fmt: skip
    golden = {
        "about": "written by test/oracle/goldens.py",
        "versions": {"tokenizers": tokenizers.__version__, "transformers": transformers.__version__},
        "rows": rows,
        "users": USERS,
        "items": ITEMS,
        "exportSha256": hashlib.sha256(export.read_bytes()).hexdigest(),
        "data": data,
        "prompts": [{"text": text, "ids": encode(text)} for text in TEMPLATES],
        "mixtures": [{"parts": parts, "ids": encode(spell(parts))} for parts in mixtures()],
    }
    out = HERE.parent / "fixtures" / "goldens" / f"{name}.json"
    lines = [f'"{k}":{json.dumps(v)}' for k, v in golden.items() if k not in ("data", "prompts", "mixtures")]
    for k in ("data", "prompts", "mixtures"):
        rows_ = ",\n".join(json.dumps(r, separators=(",", ":")) for r in golden[k])
        lines.append(f'"{k}":[\n{rows_}\n]')
    out.write_text("{" + ",\n".join(lines) + "}\n", encoding="utf-8")
    print(name, len(data), len(golden["mixtures"]), sum(r.get("leaks", False) for r in data), "leaks")
