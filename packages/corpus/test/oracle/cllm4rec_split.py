"""The paper's split of raw reviews, by Python's and NumPy's own generators.

Usage: python cllm4rec_split.py reviews_Musical_Instruments_5.json.gz > ../fixtures/cllm4rec-split.json
Written with Python 3.11 and NumPy 2.4; both streams are frozen.

The rule is that of github.com/anord-wang/LLM4REC, src/data_preprocess_amazon.py (two of the paper's authors), written
anew: ratings above 3, 5-core, users in the order of their first positive record shuffled by random.shuffle, items
numbered by first appearance in the users' lists (sorted by time, stable), each list shuffled by np.random.shuffle:
training, validation, test.
"""

import collections
import gzip
import hashlib
import json
import random
import sys

import numpy as np

SEED = 98765


def split(records, seed):
    """records: (user, item, rating, time). Returns users, items (raw ids by index) and [user, item, part] triples."""
    lists = {}
    for user, item, rating, time in records:
        if rating > 3:
            lists.setdefault(user, []).append((time, item))
    lists = {user: [item for _, item in sorted(own, key=lambda pair: pair[0])] for user, own in lists.items()}
    while True:
        degree = collections.Counter(item for own in lists.values() for item in own)
        kept = {user: [item for item in own if degree[item] >= 5] for user, own in lists.items() if len(own) >= 5}
        if kept == lists:
            break
        lists = kept
    random.seed(seed)
    np.random.seed(seed)
    users = list(lists)
    random.shuffle(users)
    items = list(dict.fromkeys(item for user in users for item in lists[user]))
    index = {item: k for k, item in enumerate(items)}
    triples = []
    for k, user in enumerate(users):
        own = [index[item] for item in lists[user]]
        np.random.shuffle(own)
        held = max(1, int(len(own) * 0.1))
        train = len(own) - 2 * held
        for part, chosen in (
            ("train", own[:train]),
            ("validation", own[train : train + held]),
            ("test", own[train + held :]),
        ):
            triples += [[k, item, part] for item in chosen]
    return users, items, sorted(triples)


def generated():
    """1,600 records of 90 users and 150 items, a third of them outside the 5-core; many equal times, ratings of 1 to 5,
    in no order.
    """
    rng = random.Random(7)
    pairs = set()
    while len(pairs) < 1600:
        pairs.add((f"u{int(90 * rng.random() ** 1.5)}", f"i{int(150 * rng.random() ** 2.5)}"))
    pairs = sorted(pairs)
    rng.shuffle(pairs)
    return [
        (user, item, rng.choice([1, 2, 3, 4, 4, 5, 5, 5]), 86400 * rng.randrange(12000, 12020)) for user, item in pairs
    ]


def digest(users, items, triples):
    text = "\n".join([*users, *items, *(f"{u} {i} {part}" for u, i, part in triples)])
    return hashlib.sha256(text.encode()).hexdigest()


if __name__ == "__main__":
    records = generated()
    small = {str(seed): dict(zip(("users", "items", "triples"), split(records, seed))) for seed in (SEED, 1)}
    with gzip.open(sys.argv[1], "rt") as lines:
        reviews = [json.loads(line) for line in lines]
    real = split([(r["reviewerID"], r["asin"], r["overall"], int(r["unixReviewTime"])) for r in reviews], SEED)
    counts = collections.Counter(part for _, _, part in real[2])
    instruments = {
        "users": len(real[0]),
        "items": len(real[1]),
        **counts,
        "first": [real[0][:3], real[1][:3]],
        "sha256": digest(*real),
    }
    json.dump({"records": records, "splits": small, "instruments": instruments}, sys.stdout, separators=(",", ":"))
    print()
