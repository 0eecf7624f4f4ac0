"""Writes fixtures/baselines.json: python test/oracle/baselines.py (NumPy 2.4.6).

Random binary interactions with two item groups, and the scores that item KNN and EASE give to their users, from the
textbook formulas.
"""

import json
import pathlib

import numpy as np

USERS, ITEMS = 37, 23
rng = np.random.default_rng(7)
odds = np.where((np.arange(USERS)[:, None] % 2) == (np.arange(ITEMS)[None, :] % 2), 0.35, 0.08)
x = (rng.random((USERS, ITEMS)) < odds).astype(np.float64)
x[:, 5] = 0  # an item that nobody has
x[3] = 0  # a user without items

counts = x.sum(0)
shared = x.T @ x
norms = np.sqrt(np.outer(counts, counts))


def knn(neighbours, shrinkage):
    similarity = np.divide(shared, norms + shrinkage, out=np.zeros_like(shared), where=shared > 0)
    np.fill_diagonal(similarity, 0)
    kept = np.zeros_like(similarity)
    for i in range(ITEMS):
        nearest = np.lexsort((np.arange(ITEMS), -similarity[i]))[:neighbours]
        kept[i, nearest] = similarity[i, nearest]
    return x @ kept


def ease(weight, dropout=0.0, blocks=()):
    g = shared + weight * np.eye(ITEMS) + dropout / (1 - dropout) * np.diag(counts)
    for block_weight, features in blocks:
        g = g + block_weight * features @ features.T
    p = np.linalg.inv(g)
    b = p / -np.diag(p)
    np.fill_diagonal(b, 0)
    return x @ b


def rows(scores):
    return [[round(float(value), 12) for value in row] for row in scores]


fixture = {
    "items": ITEMS,
    "training": [[int(i) for i in np.flatnonzero(row)] for row in x],
    "knn": [
        {"neighbours": k, "shrinkage": s, "scores": rows(knn(k or ITEMS, s))} for k, s in [(None, 0), (4, 0), (7, 2.5)]
    ],
    "ease": [{"lambda": weight, "scores": rows(ease(weight))} for weight in (0.5, 20)],
}
# Two blocks of side information; one item has no tag.
words = np.where(rng.random((ITEMS, 11)) < 0.3, rng.random((ITEMS, 11)), 0).astype(np.float32).astype(np.float64)
tags = np.where(rng.random((ITEMS, 4)) < 0.5, 1.0, 0.0)
tags[2] = 0
cases = [(5, 0.0, [2, 0]), (5, 0.0, [0.5, 4]), (1, 0.4, [1, 1]), (3, 0.75, [])]
fixture["features"] = [[[float(v) for v in row] for row in block] for block in (words, tags)]
fixture["easeWithText"] = [
    {"lambda": weight, "dropout": p, "weights": w, "scores": rows(ease(weight, p, zip(w, (words, tags))))}
    for weight, p, w in cases
]
path = pathlib.Path(__file__).parents[1] / "fixtures" / "baselines.json"
path.write_text(json.dumps(fixture, separators=(",", ":")) + "\n")
