"""Writes the golden values of this package's tests: python test/oracle/generate.py (from the package folder).

Oracles: RecBole 1.2.1 (its own metric classes, fed the ranked lists), the authors' evaluation (Liang et al. 2018, as
Multi-VAE and CLLM4Rec use it; from its definition, in NumPy), SciPy 1.17.1 for the tests and tail probabilities, mpmath
1.3.0 where SciPy's own error is near the tolerance, and a twin of the bootstrap in plain Python integers and floats.
NumPy 2.4.6, Python 3.11.

RecBole 1.2.1 still says np.float, which NumPy removed in 1.24: the script gives the name back before it calls RecBole.
"""

import json
import pathlib
import struct

import mpmath
import numpy as np
from scipy import stats

np.float = float  # for RecBole, see above
from recbole.evaluator import metrics as recbole  # noqa: E402

FIXTURES = pathlib.Path(__file__).parent.parent / "fixtures"
CUTOFFS = [1, 3, 5, 10, 20]


def write(name, value):
    FIXTURES.mkdir(exist_ok=True)
    (FIXTURES / name).write_text(json.dumps(value, separators=(",", ":")) + "\n")


def rows_to_csr(rows):
    return {"indptr": np.cumsum([0] + [len(r) for r in rows]).tolist(), "indices": [int(i) for r in rows for i in r]}


# ------------------------------------------------------------------------------------------------------ ranking metrics
def authors_recall(scores, held_out, k):
    """hits among the k best / min(k, number of held-out items); the order inside the k best does not matter."""
    best = np.argpartition(-scores, k, axis=1)[:, :k]
    chosen = np.zeros_like(held_out)
    np.put_along_axis(chosen, best, True, axis=1)
    return (chosen & held_out).sum(1) / np.minimum(k, held_out.sum(1))


def authors_ndcg(scores, held_out, k):
    """DCG with log2 discounts over the k best / DCG of min(k, number of held-out items) hits at the top."""
    best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    template = 1 / np.log2(np.arange(2, k + 2))
    gains = (np.take_along_axis(held_out, best, axis=1) * template).sum(1)
    ideal = np.array([template[: min(k, n)].sum() for n in held_out.sum(1)])
    return gains / ideal


def ranking():
    rng = np.random.default_rng(20261121)
    users, items = 24, 40
    scores = rng.standard_normal((users, items)).astype(np.float32)
    assert all(
        len(set(row)) == items for row in scores.tolist()
    ), "the fixture must have no ties: the oracles break them arbitrarily"
    masked, held_out = [], []
    for u in range(users):
        order = rng.permutation(items)
        m = int(rng.integers(0, 12))
        h = 0 if u in (5, 17) else int(rng.integers(1, 4)) if u % 3 else int(rng.integers(1, 26))
        masked.append(sorted(order[:m].tolist()))
        held_out.append(sorted(order[m : m + h].tolist()))
    evaluated = [u for u in range(users) if held_out[u]]
    masked_scores = scores.astype(np.float64)
    truth = np.zeros((users, items), dtype=bool)
    for u in range(users):
        masked_scores[u, masked[u]] = -np.inf
        truth[u, held_out[u]] = True
    masked_scores, truth = masked_scores[evaluated], truth[evaluated]

    longest = max(CUTOFFS)
    lists = np.argsort(-masked_scores, axis=1, kind="stable")[:, :longest]
    hits = np.take_along_axis(truth, lists, axis=1)
    lengths = truth.sum(1)
    per_user, overall = {}, {}
    classes = {"recall-all": recbole.Recall, "ndcg": recbole.NDCG, "map": recbole.MAP, "mrr": recbole.MRR,
               "hit": recbole.Hit, "precision": recbole.Precision}
    for name, metric in classes.items():
        metric = metric.__new__(metric)  # the constructors only read a run's configuration
        needs_lengths = name in ("recall-all", "ndcg", "map")
        values = metric.metric_info(hits, lengths) if needs_lengths else metric.metric_info(hits)
        for k in CUTOFFS:
            per_user[f"recbole:{name}@{k}"] = values[:, k - 1].astype(float).tolist()
    coverage = recbole.ItemCoverage.__new__(recbole.ItemCoverage)
    gini = recbole.GiniIndex.__new__(recbole.GiniIndex)
    for k in CUTOFFS:
        overall[f"recbole:coverage@{k}"] = float(coverage.get_coverage(lists[:, :k], items))
        overall[f"recbole:gini@{k}"] = float(gini.get_gini(lists[:, :k], items))
        per_user[f"authors:recall@{k}"] = authors_recall(masked_scores, truth, k).tolist()
        per_user[f"authors:ndcg@{k}"] = authors_ndcg(masked_scores, truth, k).tolist()

    # Novelty has no RecBole metric: the mean of log2(users / count) over the list, from its definition.
    counts = rng.integers(0, 60, items)
    information = np.log2(60 / np.maximum(counts, 1))
    for k in CUTOFFS:
        per_user[f"definition:novelty@{k}"] = information[lists[:, :k]].mean(1).tolist()
    write("ranking.json", {
        "items": items, "scores": [struct.unpack("f", struct.pack("f", s))[0] for s in scores.ravel().tolist()],
        "masked": rows_to_csr(masked), "heldOut": rows_to_csr(held_out), "evaluated": evaluated,
        "rankings": rows_to_csr([lists[evaluated.index(u)].tolist() if u in evaluated else [] for u in range(users)]),
        "training": {"itemCounts": counts.tolist(), "users": 60}, "perUser": per_user, "overall": overall,
    })


# ----------------------------------------------------------------------------------------------------------- statistics
def exact_wilcoxon(differences):
    """Two-sided p over all sign patterns given the mid-ranks, by polynomial multiplication in Python integers."""
    d = np.asarray(differences)
    d = d[d != 0]
    ranks = np.rint(2 * stats.rankdata(np.abs(d))).astype(int)
    counts = {0: 1}
    for r in ranks.tolist():
        grown = dict(counts)
        for total, n in counts.items():
            grown[total + r] = grown.get(total + r, 0) + n
        counts = grown
    statistic = min(int(ranks[d > 0].sum()), int(ranks[d < 0].sum()))
    below = sum(n for total, n in counts.items() if total <= statistic)
    return min(1.0, float(mpmath.mpf(2 * below) / mpmath.mpf(2) ** len(d)))


def paired_case(name, a, b):
    a, b = np.asarray(a, float), np.asarray(b, float)
    d = a - b
    nonzero = d[d != 0]
    t = stats.ttest_rel(a, b)
    normal = stats.wilcoxon(a, b, zero_method="wilcox", correction=False, method="asymptotic")
    case = {
        "name": name,
        "a": a.tolist(),
        "b": b.tolist(),
        "t": {"statistic": float(t.statistic), "df": int(t.df), "p": float(t.pvalue)},
        "wilcoxon": {"statistic": float(normal.statistic), "pairs": int(len(nonzero)), "normalP": float(normal.pvalue)},
    }
    if len(nonzero) <= 50:
        case["wilcoxon"]["exactP"] = exact_wilcoxon(d)
        if len(set(np.abs(nonzero))) == len(nonzero):
            case["wilcoxon"]["scipyExactP"] = float(stats.wilcoxon(nonzero, method="exact").pvalue)
        elif len(nonzero) <= 12:
            # SciPy's exact answer with ties: the permutation method over every sign pattern.
            case["wilcoxon"]["scipyExactP"] = float(
                stats.wilcoxon(nonzero, method=stats.PermutationMethod(n_resamples=np.inf)).pvalue)
    return case


def statistics():
    rng = np.random.default_rng(7)
    cases = []
    for n in (2, 3, 5, 8, 12, 25, 50):
        a = rng.random(n)
        cases.append(paired_case(f"continuous, n = {n}", a, a + 0.2 * rng.standard_normal(n)))
    quarters = lambda n: rng.integers(0, 5, n) / 4  # noqa: E731  (exact in binary, so ties and zeros are exact too)
    for n in (6, 12, 14, 40, 60):
        a, b = quarters(n), quarters(n)
        a[0], b[0] = 1, 0
        cases.append(paired_case(f"ties and zeros, n = {n}", a, b))
    a = np.minimum(1, rng.integers(0, 9, 400) / 8)
    cases.append(paired_case("recall-like, n = 400", a, np.clip(a + rng.integers(-2, 4, 400) / 16, 0, 1)))
    a = rng.random(200)
    cases.append(paired_case("strong effect, n = 200", a + 0.3 + 0.1 * rng.standard_normal(200), a))

    students = []
    for df in (1, 2, 3, 4, 7.5, 10, 29, 30, 99, 363, 999, 10552, 22685, 1_000_000):
        for t in (1e-8, 1e-3, 0.1, 0.5, 0.999, 1, 1.5, 1.96, 2.5, 3, 5, 8, 12, 20, 37):
            by_scipy = float(2 * stats.t.sf(t, df))
            mpmath.mp.dps = 40 + int(-np.log10(by_scipy))
            square = mpmath.mpf(t) ** 2
            exact = float(
                1 - mpmath.betainc(mpmath.mpf(1) / 2, mpmath.mpf(df) / 2, 0, square / (df + square), regularized=True)
            )
            # SciPy itself is off by 3e-9 at df = 1, t = 1e-8.
            assert abs(exact - by_scipy) <= 1e-12 * exact or t == 1e-8, (df, t)
            students.append([df, t, exact])
    mpmath.mp.dps = 40
    normals = [[z, float(mpmath.erfc(mpmath.mpf(z) / mpmath.sqrt(2)))] for z in
               (0, 1e-9, 0.01, 0.3, 1, 1.5, 1.96, 2.1, 2.12, 2.13, 2.576, 3.5, 5, 8, 12, 20, 30, 37)]
    for z, p in normals:
        assert abs(p - 2 * stats.norm.sf(z)) <= 1e-12 * p
    write("statistics.json", {"paired": cases, "student": students, "normal": normals})


# ------------------------------------------------------------------------------------------------------------ bootstrap
M32, M64 = 2**32 - 1, 2**64 - 1


class Xoshiro128:
    def __init__(self, state):
        self.s = list(state)

    @classmethod
    def from_seed(cls, seed):
        words = []
        for i in (1, 2):
            z = (seed + i * 0x9E3779B97F4A7C15) & M64
            z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & M64
            z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & M64
            z ^= z >> 31
            words += [z & M32, z >> 32]
        return cls(words)

    def next(self):
        s = self.s
        rotl = lambda x, k: ((x << k) | (x >> (32 - k))) & M32  # noqa: E731
        result = (rotl((s[1] * 5) & M32, 7) * 9) & M32
        t = (s[1] << 9) & M32
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= t
        s[3] = rotl(s[3], 11)
        return result

    def below(self, n):
        width = 2**32 // n
        while True:
            draw = self.next() // width
            if draw < n:
                return draw


def bootstrap():
    rng = np.random.default_rng(3)
    values = np.round(rng.beta(0.6, 3, 157), 6)
    values[rng.random(157) < 0.4] = 0
    seeds = []
    for seed, resamples, confidence in ((0, 300, 0.95), (20261121, 250, 0.9), (2**53 - 1, 100, 0.99)):
        generator, means = Xoshiro128.from_seed(seed), []
        for _ in range(resamples):
            counts = [0] * len(values)
            for _ in range(len(values)):
                counts[generator.below(len(values))] += 1
            total = 0.0
            for count, value in zip(counts, values.tolist()):
                total += count * value
            means.append(total / len(values))
        means.sort()

        def quantile(q):
            position = (resamples - 1) * q
            below = int(position)
            low, high = means[below], means[min(below + 1, resamples - 1)]
            return low + (high - low) * (position - below)

        tail = (1 - confidence) / 2
        low, high = quantile(tail), quantile(1 - tail)
        assert np.allclose([low, high], np.quantile(means, [tail, 1 - tail]), rtol=1e-13)
        seeds.append({"seed": seed, "resamples": resamples, "confidence": confidence, "low": low, "high": high})
    scipy_interval = stats.bootstrap(
        (values,), np.mean, n_resamples=100_000, method="percentile", rng=np.random.default_rng(1), batch=1000
    ).confidence_interval
    reference = Xoshiro128([1, 2, 3, 4])
    write(
        "bootstrap.json",
        {
            "values": values.tolist(),
            "seeds": seeds,
            "scipy": [float(scipy_interval.low), float(scipy_interval.high)],
            "xoshiro1234": [reference.next() for _ in range(12)],
        },
    )


if __name__ == "__main__":
    ranking()
    statistics()
    bootstrap()
