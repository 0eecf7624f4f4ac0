"""Writes fixtures/whitening.json: python test/oracle/whitening.py (scikit-learn 1.9.1, NumPy 2.4.6).

Correlated rows far from the origin, and what PCA(whiten=True) makes of them and of later rows.
"""

import json
import pathlib

import numpy as np
from sklearn.decomposition import PCA

random = np.random.default_rng(20261124)
rows = (random.normal(size=(30, 6)) @ random.normal(size=(6, 6)) + 5 * random.normal(size=6)).astype(np.float32)
later = (rows[:3] + random.normal(size=(3, 6))).astype(np.float32)


def whitened(components):
    pca = PCA(components, whiten=True, svd_solver="full").fit(rows.astype(np.float64))
    flat = lambda matrix: [float(x) for x in matrix.ravel()]
    return {
        "variances": flat(pca.explained_variance_),
        "rows": flat(pca.transform(rows)),
        "later": flat(pca.transform(later)),
    }


plain = lambda matrix: [float(x) for x in matrix.ravel()]
fixture = {"columns": 6, "rows": plain(rows), "later": plain(later), "all": whitened(6), "three": whitened(3)}
path = pathlib.Path(__file__).parents[1] / "fixtures" / "whitening.json"
path.write_text(json.dumps(fixture, separators=(",", ":")) + "\n")
