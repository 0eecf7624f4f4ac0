"""Golden draws and shuffles of CPython's `random` and of NumPy's legacy `np.random`.

Usage: python mersenne.py > ../fixtures/mersenne.json
Written with Python 3.11 and NumPy 2.4; both streams are frozen, so that other versions give the same.

A shuffled list of up to 40 values is stored whole; of a longer one, its first values and sum(position * value) mod
2**31 - 1.
"""

import json
import platform
import random
import sys

import numpy as np

SEEDS = [0, 1, 42, 98765, 2**31, 2**32 - 1]
LARGE_SEEDS = [2**32, 2**32 + 7, 2**53 - 1]  # Python only: NumPy takes 32 bits
LENGTHS = [
    *range(0, 41),
    63,
    64,
    65,
    127,
    128,
    129,
    255,
    256,
    257,
    1000,
    1023,
    1024,
    1025,
    4096,
    65535,
    65536,
    65537,
    200000,
]


def digest(values):
    values = [int(v) for v in values]
    if len(values) <= 40:
        return {"values": values}
    return {"first": values[:8], "sum": sum(k * v for k, v in enumerate(values)) % (2**31 - 1)}


def shuffles(shuffle, lengths):
    """One stream: each list is shuffled with what follows the draws of the list before it."""
    out = []
    for n in lengths:
        values = list(range(n))
        shuffle(values)
        out.append({"length": n, **digest(values)})
    return out


def python(seed):
    random.seed(seed)
    bits = [random.getrandbits(32) for _ in range(700)]
    random.seed(seed)
    few = [random.getrandbits(k) for k in range(1, 33)]
    random.seed(seed)
    return {
        "seed": seed,
        "first": bits[:4],
        "at624": bits[622:628],
        "bits": few,
        "shuffles": shuffles(random.shuffle, LENGTHS if seed == 98765 else LENGTHS[:48]),
    }


def numpy(seed):
    np.random.seed(seed)
    return {"seed": seed, "shuffles": shuffles(np.random.shuffle, LENGTHS if seed == 98765 else LENGTHS[:48])}


def arrays_as_lists():
    """np.random.shuffle draws alike for a list and for an array."""
    for n in (5, 40, 1000):
        np.random.seed(98765)
        values = list(range(n))
        np.random.shuffle(values)
        np.random.seed(98765)
        array = np.arange(n)
        np.random.shuffle(array)
        assert values == array.tolist()


if __name__ == "__main__":
    arrays_as_lists()
    print(f"Python {platform.python_version()}, NumPy {np.__version__}", file=sys.stderr)
    json.dump(
        {"python": [python(s) for s in SEEDS + LARGE_SEEDS], "numpy": [numpy(s) for s in SEEDS]},
        sys.stdout,
        separators=(",", ":"),
    )
    print()
