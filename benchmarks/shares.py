"""How fair a division is: what each should have had, and how even it came out."""

from collections.abc import Sequence


def fair_shares(demands: Sequence[float], supply: float) -> list[float]:
    """Max-min fair parts of `supply`: nobody gets more than asked for, the rest is split evenly."""
    parts = [0.0] * len(demands)
    left = supply
    for rank, index in enumerate(sorted(range(len(demands)), key=demands.__getitem__)):
        parts[index] = min(demands[index], left / (len(demands) - rank))
        left -= parts[index]
    return parts


def jain(ratios: Sequence[float]) -> float:
    """Jain's index (Jain, Chiu and Hawe, 1984): 1 if all are equal, 1/n if one has everything."""
    squares = sum(ratio * ratio for ratio in ratios)
    return sum(ratios) ** 2 / (len(ratios) * squares) if squares else 1.0
