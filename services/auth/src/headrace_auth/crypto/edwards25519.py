"""Tells sound Ed25519 public keys from others: `cryptography` takes any 32 bytes for one.

The curve is -x^2 + y^2 = 1 + d x^2 y^2 over the integers modulo p (RFC 8032, section 5.1).
"""

P = 2**255 - 19
D = 0x52036CEE2B6FFE738CC740797779E89800700A4D4141D8AB75EB4DCA135978A3  # -121665 / 121666


def is_sound(public_key: bytes) -> bool:
    """Whether 32 bytes encode a point of the curve, canonically, whose order is not small.

    Under a key of small order anybody can make signatures that verify. A few big powers, about
    0.3 ms: for registering a key, not for every request. The key is public, so time may tell.
    """
    y = int.from_bytes(public_key, "little") & (2**255 - 1)  # the top bit is the sign of x
    if y >= P or pow(_x_squared(y), (P - 1) // 2, P) not in (0, 1):
        return False
    for _ in range(3):  # the small orders are 1, 2, 4 and 8: eight times such a point is (0, 1)
        y = _double(y)
    return y != 1


def _x_squared(y: int) -> int:
    return (y * y - 1) * pow(D * y * y + 1, -1, P) % P


def _double(y: int) -> int:
    """The y of a point added to itself, for which x is not needed but as its square."""
    x_squared = _x_squared(y)
    return (y * y + x_squared) * pow(2 + x_squared - y * y, -1, P) % P
