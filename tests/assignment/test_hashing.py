import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from scipy.stats import chi2_contingency, chisquare, kstest

from spearmint.assignment.hashing import Algorithm, bucket, fnv1a32, hash_of, murmur3_32, unit_hash
from spearmint.errors import ConfigError

VECTORS = Path(__file__).parent / "vectors"
GROWTHBOOK = json.loads((VECTORS / "growthbook_hashing.json").read_text(encoding="utf-8"))
LAUNCHDARKLY = json.loads((VECTORS / "launchdarkly_bucketing.json").read_text(encoding="utf-8"))["cases"]
ALGORITHMS = get_args(Algorithm)
UNITS = ["ann", "", "ünïcode", "user-😀", "\ud800", "a" * 500, "123"]
PRINT_BUCKETS = """
import sys
from spearmint.assignment.hashing import bucket
units = ["ann", "\\u00fcn\\u00efcode", "user-\\U0001f600", "123"]
for algorithm in sys.argv[1:]:
    for unit in units:
        print(bucket(unit, "s\\u00e4lt", algorithm).hex())
"""

# Exact


def test_blake2b_follows_the_formula_of_the_contract():
    from hashlib import blake2b

    for unit in ("ann", "ünïcode", "user-😀", "42"):
        digest = blake2b(f"checkout.split.{unit}".encode(), digest_size=8).digest()
        assert bucket(unit, "checkout.split") == (int.from_bytes(digest, "big") >> 11) / 2**53
    assert bucket(42, "checkout") == bucket("42", "checkout")


@pytest.mark.parametrize(("salt", "unit", "version", "expected"), GROWTHBOOK["hash"])
def test_growthbook_hash_is_theirs(salt, unit, version, expected):
    if version not in (1, 2):
        with pytest.raises(ConfigError, match="there is no such algorithm"):
            bucket(unit, salt, f"growthbook{version}")
        return
    assert bucket(unit, salt, "growthbook" if version == 2 else "growthbook1") == expected


def test_fnv_takes_code_points_as_growthbooks_python_sdk():
    assert fnv1a32("exp" + "user-😀") == 2098373398


@pytest.mark.parametrize("case", LAUNCHDARKLY, ids=range(len(LAUNCHDARKLY)))
def test_launchdarkly_bucket_is_theirs(case):
    salt = f"{case['key']}.{case['salt']}" if case["seed"] is None else str(case["seed"])
    unit = case.get("context_key", case.get("bucket_by_value"))
    assert bucket(unit, salt, "launchdarkly") == pytest.approx(case["bucket"], abs=1e-8)


@pytest.mark.parametrize(
    ("data", "seed", "expected"),
    [
        (b"", 0, 0),
        (b"", 1, 0x514E28B7),
        (b"", 0xFFFFFFFF, 0x81F16F39),
        (b"\xff\xff\xff\xff", 0, 0x76293B50),
        (b"!Ce\x87", 0, 0xF55B516B),
        (b"!Ce", 0, 0x7E4A8634),
        (b"!C", 0, 0xA0F7B07A),
        (b"!", 0, 0x72661CF4),
        (b"aaaa", 0x9747B28C, 0x5A97808A),
        (b"Hello, world!", 0x9747B28C, 0x24884CBA),
    ],
)
def test_murmur3_gives_the_published_values(data, seed, expected):
    assert murmur3_32(data, seed) == expected


def test_eppo_unleash_and_flagd_follow_their_formulas():
    from hashlib import md5

    for unit in ("ann", "user-😀"):
        assert bucket(unit, "exp", "eppo") == int(md5(f"exp-{unit}".encode()).hexdigest()[:8], 16) % 10000 / 10000
        assert bucket(unit, "exp", "unleash") == murmur3_32(f"exp:{unit}".encode()) % 10000 / 10000
        assert bucket(unit, "exp", "flagd") == murmur3_32(f"exp{unit}".encode()) / 2**32


def test_unknown_algorithm_is_an_error_with_the_close_one():
    with pytest.raises(ConfigError, match=r"Cannot hash by 'grothbook': .* Did you mean 'growthbook'"):
        hash_of("grothbook")


# Everywhere the same


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("unit", UNITS, ids=range(len(UNITS)))
def test_bucket_of_any_text_lies_in_the_unit_interval(unit, algorithm):
    number = bucket(unit, "sält", algorithm)
    assert 0 <= number < 1
    assert number == bucket(unit, "sält", algorithm)


@pytest.mark.slow
def test_bucket_is_the_same_in_processes_of_any_hash_seed():
    printed = set()
    for seed in ("0", "1", "4242"):
        command = [sys.executable, "-c", PRINT_BUCKETS, *ALGORITHMS]
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment, timeout=60)
        printed.add(done.stdout)
    own = "".join(
        f"{bucket(unit, 'sält', algorithm).hex()}\n"
        for algorithm in ALGORITHMS
        for unit in ("ann", "ünïcode", "user-😀", "123")
    )
    assert printed == {own}


def test_bucket_is_the_same_in_threads():
    units = [f"user-{number}" for number in range(2000)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda unit: bucket(unit, "exp"), units))
    assert found == [bucket(unit, "exp") for unit in units]


# Uniform and independent


@pytest.mark.slow
def test_a_million_units_fall_evenly():
    numbers = np.array([bucket(number, "checkout.split") for number in range(1_000_000)])
    counts, _ = np.histogram(numbers, bins=1000, range=(0, 1))
    assert chisquare(counts).pvalue > 0.001
    assert kstest(numbers, "uniform").pvalue > 0.001


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", [one for one in ALGORITHMS if one not in ("blake2b", "growthbook1")])
def test_units_fall_evenly_by_the_algorithms_of_others(algorithm):
    numbers = [bucket(f"user-{number}", "checkout", algorithm) for number in range(100_000)]
    counts, _ = np.histogram(numbers, bins=20, range=(0, 1))
    assert chisquare(counts).pvalue > 0.001


@pytest.mark.slow
def test_twenty_experiments_are_pairwise_independent():
    size = 50_000
    arms = [
        np.array([bucket(number, f"shop.pages:page_{name}.split") >= 0.5 for number in range(size)], dtype=int)
        for name in range(20)
    ]
    values = []
    for position, one in enumerate(arms):
        for other in arms[position + 1 :]:
            table = np.bincount(2 * one + other, minlength=4).reshape(2, 2)
            values.append(chi2_contingency(table).pvalue)
    assert len(values) == 190
    assert min(values) > 0.001 / 190
    assert kstest(values, "uniform").pvalue > 0.001


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_units_under_one_salt_hash_as_buckets_do(algorithm):
    hashed = unit_hash(algorithm, "sält")
    units = ["ann", "", "ünïcode", "user-😀", "\ud800", "x" * 5000]
    assert [hashed(unit) for unit in units] == [bucket(unit, "sält", algorithm) for unit in units]
