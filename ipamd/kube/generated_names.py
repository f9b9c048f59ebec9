"""Names that the server makes: a prefix and five letters, which here follow from a seed and are not drawn."""

import hashlib

LETTERS = "bcdfghjklmnpqrstvwxz2456789"  # no vowels, so no words (k8s.io/apimachinery, util/rand)
LONGEST_PREFIX = 58  # octets: a generated name has at most 63


def generated_name(prefix: str, seed: str) -> str:
    """`prefix`, cut to what there is room for, and five letters that follow from `seed`."""
    digest = hashlib.sha256(seed.encode()).digest()
    return prefix[:LONGEST_PREFIX] + "".join(LETTERS[octet % len(LETTERS)] for octet in digest[:5])
