"""Narrower differences from what was known of each unit before: CUPED.

From A. Deng et al., "Improving the sensitivity of online controlled experiments by utilizing pre-experiment data", WSDM
2013, https://doi.org/10.1145/2433396.2433413.
"""

from spearmint.statistics.unpaired import Gap, Moments, mean_gap


def slope(ours: Moments, main: Moments) -> float:
    """Return how much a unit's value rises with its covariate, pooled within both arms; 0 where that does not vary.

    Args:
        ours: Moments of values and, as the other number, covariates of an arm's units.
        main: The same of main's.
    """
    arms = [arm for arm in (ours, main) if arm.n > 1]
    spread = sum((arm.n - 1) * arm.other_variance for arm in arms)
    return sum((arm.n - 1) * arm.covariance for arm in arms) / spread if spread > 0 else 0.0


def adjusted_gap(ours: Moments, main: Moments) -> Gap:
    """Return the difference of two arms' means, less what their covariates explain of it.

    Args:
        ours: Moments of values and, as the other number, covariates of an arm's units. A covariate was measured before
            the unit was assigned, so that the arm cannot have changed it.
        main: The same of main's.

    Returns:
        The difference. Its variance is the unadjusted one times ``1 - r**2``, r being the correlation of the two.
    """
    theta = slope(ours, main)
    return mean_gap(adjusted(ours, theta), adjusted(main, theta))


def adjusted(arm: Moments, theta: float) -> Moments:
    """Return the moments of the values less ``theta`` times the covariates."""
    variance = arm.variance + theta**2 * arm.other_variance - 2 * theta * arm.covariance
    return Moments(arm.n, arm.mean - theta * arm.other_mean, max(variance, 0.0))
