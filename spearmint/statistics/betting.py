"""Evidence that one config scores higher than another, which may be looked at after every row.

Each pair of configs is a bettor who stakes a share of its wealth on one scoring higher than the other, row by row. If
it does not, the wealth is a nonnegative supermartingale that begins at 1, so that it ever reaches ``1/delta`` with
probability at most ``delta`` (Ville's inequality), however often one looks. The stakes are mixed rather than chosen:
from I. Waudby-Smith and A. Ramdas, "Estimating means of bounded random variables by betting", Journal of the Royal
Statistical Society B 86, 2024, https://arxiv.org/abs/2010.09686, and S. Howard et al., "Time-uniform Chernoff bounds
via nonnegative supermartingales", Probability Surveys 17, 2020, https://arxiv.org/abs/1808.03204.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy import special

from spearmint.statistics.intervals import Values, is_pass_or_fail

Counts = NDArray[np.int64]
Mask = NDArray[np.bool_]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(64)
_STAKES = (_NODES + 1) / 2
_LOG_WEIGHTS = np.log(_WEIGHTS / 2)
_MOST_AT_ONCE = 100_000
_MOST_FACTORS = (
    50  # that are multiplied before a logarithm is taken: (1 - highest stake)^50 is above the smallest float
)


def pass_or_fail_evidence(won: Counts | int, lost: Counts | int) -> Values:
    """Return the logarithm of the evidence from rows that only pass or fail.

    The mean of ``(1 + a)^won (1 - a)^lost`` over stakes ``a`` from 0 to 1 is
    ``2^(w+l+1) B(w+1, l+1) (1 - I_0.5(w+1, l+1))``, with the beta function and its regularized incomplete form.

    Args:
        won: Rows that pass under the one and fail under the other; of any shape.
        lost: Rows that fail under the one and pass under the other; of the same shape.

    Returns:
        The logarithm of the evidence, of that shape; minus infinity where it is below the smallest float.
    """
    w, lo = np.asarray(won, dtype=np.float64), np.asarray(lost, dtype=np.float64)
    share = special.betainc(lo + 1, w + 1, 0.5)
    with np.errstate(divide="ignore"):
        evidence: Values = (w + lo + 1) * math.log(2) + special.betaln(w + 1, lo + 1) + np.log(share)
    return evidence


class PairwiseEvidence:
    """The evidence of each config of a race against each other one.

    Where all scores are 0 or 1, the mean over stakes is exact. Elsewhere it is over the 64 stakes of a Gauss-Legendre
    rule, whose wealth is as valid: any fixed mixture of stakes is.

    Args:
        n_configs: How many configs race.
        bounds: Lowest and highest score.
        epsilon: A difference that does not matter: evidence against a config is that it is better by less than this.

    Raises:
        ValueError: If a bound is not finite, the bounds do not rise, or ``epsilon`` is negative.

    >>> evidence = PairwiseEvidence(2)
    >>> for _ in range(12):
    ...     evidence.update(np.array([[1.0, 0.0]]), np.array([True, True]))
    >>> [round(float(one), 1) for one in np.exp(evidence.against())]
    [0.1, 630.1]
    """

    def __init__(self, n_configs: int, *, bounds: tuple[float, float] = (0.0, 1.0), epsilon: float = 0.0) -> None:
        low, high = bounds
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ValueError(f"Cannot race between {bounds!r}: the bounds of scores are to be finite, and to rise.")
        if not 0 <= epsilon < math.inf:
            raise ValueError(f"Cannot race with epsilon {epsilon!r}: give a difference of scores from 0.")
        self._bounds = bounds
        self._epsilon = epsilon
        self._width = high - low + epsilon
        self._won: Counts | None = np.zeros((n_configs, n_configs), dtype=np.int64)
        self._log_wealth: NDArray[np.float64] = np.zeros((0, n_configs, n_configs))
        self._n_configs = n_configs

    def update(self, scores: Values, is_racing: Mask) -> None:
        """Add rows.

        Args:
            scores: One row per row of data and one column per config. What stands in columns that do not race counts
                for nothing.
            is_racing: For each config whether it still races. The evidence for and against the others stays.

        Raises:
            ValueError: If a score of a config that races lies outside the bounds, or is NaN.
        """
        racing = np.flatnonzero(is_racing)
        own = scores[:, racing]
        low, high = self._bounds
        is_outside = ~((own >= low) & (own <= high))
        if is_outside.any():
            value = float(own[is_outside][0])
            raise ValueError(f"Cannot race on score {value!r}: it lies outside {low!r} to {high!r}. Give other bounds.")
        pairs = np.ix_(racing, racing)
        if self._won is not None and self._is_exact(own):
            passed = own == high
            self._won[pairs] += passed.T.astype(np.int64) @ (~passed).astype(np.int64)
            return
        self._spread()
        # ours[t, i, j]: how much config i leads config j in row t, as a share of the widest lead.
        ours = (own[:, :, None] - own[:, None, :] + self._epsilon) / self._width
        for begin in range(0, len(ours), _MOST_FACTORS):
            lead = ours[begin : begin + _MOST_FACTORS]
            together = max(1, _MOST_AT_ONCE // lead.size)  # so that they stay in the processor's cache
            for first in range(0, len(_STAKES), together):
                stakes = np.arange(first, min(first + together, len(_STAKES)))
                factors = 1 + _STAKES[stakes, None, None, None] * lead
                self._log_wealth[np.ix_(stakes, racing, racing)] += np.log(factors.prod(axis=1))

    def between(self) -> Values:
        """Return the logarithm of the evidence that a config, by row, scores higher than another, by column."""
        if self._won is not None:
            return pass_or_fail_evidence(self._won, self._won.T)
        evidence: Values = special.logsumexp(self._log_wealth + _LOG_WEIGHTS[:, None, None], axis=0)
        return evidence

    def against(self) -> Values:
        """Return for each config the logarithm of the mean evidence of all others against it."""
        evidence = self.between()
        np.fill_diagonal(evidence, -np.inf)
        mean: Values = special.logsumexp(evidence, axis=0) - math.log(max(1, self._n_configs - 1))
        return mean

    def _is_exact(self, scores: Values) -> bool:
        return self._epsilon == 0 and self._bounds == (0.0, 1.0) and is_pass_or_fail(scores)

    def _spread(self) -> None:
        """Go over from counts to the wealth at each stake, which they determine."""
        if self._won is not None:
            up, down = (np.log1p(sign * _STAKES)[:, None, None] for sign in (1, -1))
            self._log_wealth = np.asarray(self._won * up + self._won.T * down, dtype=np.float64)
            self._won = None
