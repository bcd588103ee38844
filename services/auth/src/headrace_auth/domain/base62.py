"""Bytes as letters and digits, fixed width, so that a double click selects all of it."""

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def encode(data: bytes, width: int) -> str:
    """`data` as a big-endian number in base 62, padded with zeros to `width` characters.

    Raises ValueError if `width` is too small.
    """
    number = int.from_bytes(data, "big")
    characters = []
    for _ in range(width):
        number, digit = divmod(number, 62)
        characters.append(ALPHABET[digit])
    if number:
        raise ValueError(f"{len(data)} bytes do not fit into {width} characters")
    return "".join(reversed(characters))
