"""Amounts as people say them."""

from __future__ import annotations

from datetime import timedelta

UNITS = [("d", 86400), ("h", 3600), ("min", 60), ("s", 1)]


def duration(length: timedelta | float) -> str:
    """A length of time in its two largest units: "0.4 s", "12 s", "3 min 20 s", "2 d 5 h". Seconds or a timedelta."""
    seconds = length.total_seconds() if isinstance(length, timedelta) else length
    seconds = max(seconds, 0)
    if seconds < 10:
        return f"{seconds:.1f} s".replace("0.0 s", "0 s")
    left, parts = round(seconds), []
    for unit, size in UNITS:
        count, left = divmod(left, size)
        parts.append((count, unit))
    first = next(index for index, (count, _) in enumerate(parts) if count)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2] if count)


def size(number: int) -> str:
    """Bytes or characters: "812", "20 k", "1.5 M"."""
    for unit, scale in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if number >= scale:
            return f"{number / scale:.1f}".removesuffix(".0") + f" {unit}"
    return str(number)
