"""A unit's bucket: a number from 0 to 1 that is the same on every machine, by our algorithm or by that of others."""

from collections.abc import Callable, Mapping
from functools import partial
from hashlib import blake2b, md5, sha1
from typing import Any, Literal

from spearmint.errors import ConfigError
from spearmint.suggest import did_you_mean

Algorithm = Literal["blake2b", "growthbook", "growthbook1", "launchdarkly", "eppo", "unleash", "flagd"]

_MASK = 0xFFFFFFFF


def bucket(unit: str | int, salt: str, algorithm: Algorithm = "blake2b") -> float:
    """Return where a unit falls between 0 and 1, uniformly over units and independently for different salts.

    It depends on nothing but its arguments: every process, thread and machine gets the same number.

    ===============  ======================================================================================
    ``blake2b``      ``(int.from_bytes(blake2b(f"{salt}.{unit}", digest_size=8), "big") >> 11) / 2**53``
    ``growthbook``   GrowthBook's hash version 2, over code points as its Python SDK has it
    ``growthbook1``  its version 1, which correlates experiments that run together
    ``launchdarkly`` LaunchDarkly's, with ``f"{key}.{salt}"``, or the seed, as the salt; a float gives 0.0
    ``eppo``         Eppo's shards, of 10,000
    ``unleash``      Unleash's normalised hash, of 10,000; its variants are told by another seed, 86028157
    ``flagd``        flagd's fractional evaluation
    ===============  ======================================================================================

    Args:
        unit: Who is assigned, such as a user's id. An int counts as its decimal text.
        salt: What makes buckets independent of those under other salts.
        algorithm: One of the above.

    Returns:
        A number in [0, 1). LaunchDarkly's own may round to 1.0 for one unit in 10^16, which has the last arm.

    Raises:
        ConfigError: If there is no such algorithm.

    >>> bucket("ann", "checkout")
    0.5216...
    """
    return hash_of(algorithm)(salt, unit)


def hash_of(algorithm: str) -> Callable[[str, Any], float]:
    """Return the function of salt and unit that an algorithm's name stands for.

    Raises:
        ConfigError: If there is no such algorithm.
    """
    found = _HASHES.get(algorithm)
    if found is None:
        known = ", ".join(map(repr, _HASHES))
        message = f"Cannot hash by {algorithm!r}: there is no such algorithm. Give one of {known}."
        raise ConfigError(message + did_you_mean(str(algorithm), _HASHES))
    return found


def unit_hash(algorithm: str, salt: str) -> Callable[[str], float]:
    """Return what hashes units under one salt, which is hashed beforehand where the algorithm allows that.

    Raises:
        ConfigError: If there is no such algorithm.
    """
    found = hash_of(algorithm)
    if found is not _blake2b:
        return partial(found, salt)
    begin, number_of = blake2b(_bytes(f"{salt}."), digest_size=8).copy, int.from_bytes

    def hash_unit(unit: str) -> float:
        made = begin()
        made.update(unit.encode() if unit.isascii() else _bytes(unit))
        # Big-endian, as `_blake2b`: a power of two takes nothing from a float, and multiplying by it is half as long.
        return (number_of(made.digest()) >> 11) * 2**-53

    return hash_unit


def _bytes(text: str) -> bytes:
    # A lone surrogate, as of a broken header, is a unit like any other.
    return text.encode("utf-8", "surrogatepass")


def _blake2b(salt: str, unit: Any) -> float:
    digest = blake2b(_bytes(f"{salt}.{unit}"), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) / 2**53


def _growthbook(salt: str, unit: Any) -> float:
    return fnv1a32(str(fnv1a32(f"{salt}{unit}"))) % 10000 / 10000


def _growthbook1(salt: str, unit: Any) -> float:
    return fnv1a32(f"{unit}{salt}") % 1000 / 1000


def _launchdarkly(salt: str, unit: Any) -> float:
    if isinstance(unit, float):
        return 0.0
    digest = sha1(_bytes(f"{salt}.{unit}"), usedforsecurity=False).hexdigest()
    return int(digest[:15], 16) / 0xFFFFFFFFFFFFFFF


def _eppo(salt: str, unit: Any) -> float:
    digest = md5(_bytes(f"{salt}-{unit}"), usedforsecurity=False).hexdigest()
    return int(digest[:8], 16) % 10000 / 10000


def _unleash(salt: str, unit: Any) -> float:
    return murmur3_32(_bytes(f"{salt}:{unit}")) % 10000 / 10000


def _flagd(salt: str, unit: Any) -> float:
    return murmur3_32(_bytes(f"{salt}{unit}")) / 2**32


_HASHES: Mapping[str, Callable[[str, Any], float]] = {
    "blake2b": _blake2b,
    "growthbook": _growthbook,
    "growthbook1": _growthbook1,
    "launchdarkly": _launchdarkly,
    "eppo": _eppo,
    "unleash": _unleash,
    "flagd": _flagd,
}


def fnv1a32(text: str) -> int:
    """Return the 32-bit FNV-1a hash over the code points of a text; for ASCII that is over its bytes.

    http://www.isthe.com/chongo/tech/comp/fnv
    """
    value = 0x811C9DC5
    for character in text:
        value = (value ^ ord(character)) * 0x01000193 & _MASK
    return value


def murmur3_32(data: bytes, seed: int = 0) -> int:
    """Return the 32-bit MurmurHash3 (x86) of some bytes.

    https://github.com/aappleby/smhasher/blob/master/src/MurmurHash3.cpp
    """
    value = seed
    whole = len(data) & ~3
    for start in range(0, whole, 4):
        value ^= _mixed(int.from_bytes(data[start : start + 4], "little"))
        value = _rotated(value, 13) * 5 + 0xE6546B64 & _MASK
    if len(data) > whole:
        value ^= _mixed(int.from_bytes(data[whole:], "little"))
    value ^= len(data)
    value = (value ^ value >> 16) * 0x85EBCA6B & _MASK
    value = (value ^ value >> 13) * 0xC2B2AE35 & _MASK
    return value ^ value >> 16


def _mixed(word: int) -> int:
    return _rotated(word * 0xCC9E2D51 & _MASK, 15) * 0x1B873593 & _MASK


def _rotated(word: int, bits: int) -> int:
    return (word << bits | word >> 32 - bits) & _MASK
