"""Prints the figures of amazon-beauty.test.ts: python test/oracle/amazon_beauty.py FOLDER (with train_matrix.npz and
test_matrix.npz).

Popularity and item-cosine KNN on the authors' split, training items masked, ties to the lower item index; NumPy 2.4.6,
SciPy 1.17.1.
"""

import sys

import numpy as np
import scipy.sparse as sp

train, test = (sp.load_npz(f"{sys.argv[1]}/{name}_matrix.npz").tocsr().astype(np.float64) for name in ("train", "test"))
users, items = train.shape


def evaluate(score_rows, tie_order):
    recall = {20: [], 40: []}
    ndcg = []
    for u in range(users):
        scores = score_rows(u)
        scores[train[u].indices] = -np.inf
        held_out = test[u].indices
        hits = np.isin(np.lexsort((tie_order, -scores))[:100], held_out)
        for k, values in recall.items():
            values.append(hits[:k].sum() / min(k, len(held_out)))
        discounts = 1 / np.log2(np.arange(2, 102))
        ndcg.append(hits @ discounts / discounts[: len(held_out)].sum())
    return {"recall@20": np.mean(recall[20]), "recall@40": np.mean(recall[40]), "ndcg@100": np.mean(ndcg)}


popularity = np.asarray(train.sum(0)).ravel()
print("popularity, ties to the lower index: ", evaluate(lambda u: popularity.copy(), np.arange(items)))
print("popularity, ties to the higher index:", evaluate(lambda u: popularity.copy(), -np.arange(items)))

together = (train.T @ train).toarray()
norms = np.sqrt(np.outer(popularity, popularity))
cosine = np.divide(together, norms, out=np.zeros_like(together), where=norms > 0)
np.fill_diagonal(cosine, 0)
# In float32, as the package takes scores.
knn = np.vstack([(train[first : first + 500] @ cosine).astype(np.float32) for first in range(0, users, 500)])
print("item KNN, all neighbours:            ", evaluate(lambda u: knn[u].astype(np.float64), np.arange(items)))
