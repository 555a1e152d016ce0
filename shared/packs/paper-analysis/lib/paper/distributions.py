"""Tail probabilities of z, t, F and chi-squared, for computing again the p-values that a paper reports.

Regularised incomplete beta and gamma functions by their continued fractions and series (Abramowitz and Stegun,
6.5 and 26.5), to 1e-10: far more than three reported digits need.
"""

import math

_STEPS_MAX = 500
_SMALL = 1e-300
_CLOSE = 1e-12


def p_of_z(z: float) -> float:
    """Two-sided."""
    return math.erfc(abs(z) / math.sqrt(2))


def p_of_t(t: float, *, freedom: float) -> float:
    """Two-sided."""
    return _beta(freedom / (freedom + t * t), freedom / 2, 0.5)


def p_of_f(f: float, *, above: float, below: float) -> float:
    """Upper tail; `above` and `below` are the degrees of freedom of numerator and denominator."""
    return _beta(below / (below + above * f), below / 2, above / 2)


def p_of_chi_squared(value: float, *, freedom: float) -> float:
    """Upper tail."""
    return _upper_gamma(freedom / 2, value / 2)


def p_of_r(r: float, *, freedom: float) -> float:
    """Two-sided, of a correlation with n - 2 degrees of freedom."""
    if abs(r) >= 1:
        return 0.0
    return p_of_t(r * math.sqrt(freedom / (1 - r * r)), freedom=freedom)


def _beta(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function I_x(a, b)."""
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    if x < (a + 1) / (a + b + 2):
        return math.exp(log_front) * _beta_fraction(x, a, b) / a
    return 1 - math.exp(log_front) * _beta_fraction(1 - x, b, a) / b


def _beta_fraction(x: float, a: float, b: float) -> float:
    """Lentz's evaluation of the continued fraction."""
    c, d = 1.0, 1 / _off_zero(1 - (a + b) * x / (a + 1))
    value = d
    for step in range(1, _STEPS_MAX):
        even = step * (b - step) * x / ((a + 2 * step - 1) * (a + 2 * step))
        odd = -(a + step) * (a + b + step) * x / ((a + 2 * step) * (a + 2 * step + 1))
        change = 1.0
        for term in (even, odd):
            d = 1 / _off_zero(1 + term * d)
            c = _off_zero(1 + term / c)
            change = d * c
            value *= change
        if abs(change - 1) < _CLOSE:
            break
    return value


def _upper_gamma(a: float, x: float) -> float:
    """The regularised upper incomplete gamma function Q(a, x)."""
    if x <= 0:
        return 1.0
    front = math.exp(a * math.log(x) - x - math.lgamma(a))
    if x < a + 1:
        term = total = 1 / a
        for step in range(1, _STEPS_MAX):
            term *= x / (a + step)
            total += term
            if term < total * _CLOSE:
                break
        return 1 - front * total
    c, d = 1 / _SMALL, 1 / _off_zero(x + 1 - a)
    value = d
    for step in range(1, _STEPS_MAX):
        term, base = -step * (step - a), x + 1 - a + 2 * step
        d = 1 / _off_zero(base + term * d)
        c = _off_zero(base + term / c)
        value *= d * c
        if abs(d * c - 1) < _CLOSE:
            break
    return front * value


def _off_zero(value: float) -> float:
    return value if abs(value) > _SMALL else _SMALL
