"""Writes fixtures/word-features.json: python test/oracle/word_features.py (scikit-learn 1.9.1, NumPy 2.4.6).

tf-idf rows of texts in several scripts, by TfidfVectorizer with the words that wordFeatures counts.
"""

import json
import pathlib

import numpy as np
import sklearn
from sklearn.feature_extraction.text import TfidfVectorizer

TEXTS = [
    "Guitar strings, light gauge",
    "guitar STRAP - leather, guitar",
    "",
    "Straße & café: crème brûlée 2-in-1",
    "струны для гитары",
    "ギター 弦 light",
    "snake_case don't stop",
    "...!?",
]


def rows(**options):
    vectorizer = TfidfVectorizer(token_pattern=r"[^\W_]+", **options)
    matrix = vectorizer.fit_transform(TEXTS)
    matrix.sort_indices()
    words = [str(w) for w in vectorizer.get_feature_names_out()]
    return {
        "words": words,
        "rows": [
            {words[c]: round(float(v), 9) for c, v in zip(r.indices, r.data)}
            for r in (matrix[i] for i in range(len(TEXTS)))
        ],
    }


fixture = {"texts": TEXTS, "all": rows(), "minTexts2": rows(min_df=2)}
path = pathlib.Path(__file__).parents[1] / "fixtures" / "word-features.json"
path.write_text(json.dumps(fixture, ensure_ascii=False, separators=(",", ":")) + "\n")
print(sklearn.__version__, np.__version__)
