"""SASLprep (RFC 4013), the profile of stringprep (RFC 3454) for user names and passwords.

A *stored string* may not hold code points that Unicode 3.2 did not assign; a *query* may (RFC 3454 section 7).
RFC 5802 section 5.1 makes user names queries; section 2.2 (Normalize) makes passwords stored strings, on both sides.
Printable ASCII is its own preparation, so most processes never load the tables.
"""

from .errors import Fault, Reason, Rejected

MAX_CHARACTERS = 1024


def prepare(text: str, *, stored: bool, reason: Reason, fault: Fault, max_bytes: int = 1024) -> bytes:
    """`text` prepared, as UTF-8. Raises Rejected: TOO_LONG, or `reason` when it is empty or prohibited."""
    if len(text) > MAX_CHARACTERS:
        raise Rejected(Reason.TOO_LONG, "a name or password is at most 1024 characters", fault)
    if not (text.isascii() and text.isprintable()):
        text = _map(text)
        _check(text, stored, reason, fault)
    if not text:
        raise Rejected(reason, "RFC 5802 section 5.1: empty after SASLprep", fault)
    encoded = text.encode()
    if len(encoded) > max_bytes:
        raise Rejected(Reason.TOO_LONG, "a name or password is at most 1024 bytes when prepared", fault)
    return encoded


def _map(text: str) -> str:
    """RFC 4013 sections 2.1 and 2.2, with the normalization of Unicode 3.2 that RFC 3454 is written for."""
    from stringprep import in_table_b1, in_table_c12
    from unicodedata import ucd_3_2_0

    mapped = "".join(" " if in_table_c12(c) else c for c in text if in_table_c12(c) or not in_table_b1(c))
    return ucd_3_2_0.normalize("NFKC", mapped)


def _check(text: str, stored: bool, reason: Reason, fault: Fault) -> None:
    """RFC 4013 sections 2.3 (prohibited), 2.4 (bidirectional) and 2.5 (unassigned)."""
    import stringprep as tables

    prohibited = (
        tables.in_table_c12,
        tables.in_table_c21_c22,
        tables.in_table_c3,
        tables.in_table_c4,
        tables.in_table_c5,
        tables.in_table_c6,
        tables.in_table_c7,
        tables.in_table_c8,
        tables.in_table_c9,
    )
    if any(test(c) for c in text for test in prohibited):
        raise Rejected(reason, "RFC 4013 section 2.3: a prohibited character", fault)
    if any(map(tables.in_table_d1, text)):
        ends_right = tables.in_table_d1(text[0]) and tables.in_table_d1(text[-1])
        if not ends_right or any(map(tables.in_table_d2, text)):
            raise Rejected(reason, "RFC 4013 section 2.4: mixed directions", fault)
    if stored and any(map(tables.in_table_a1, text)):
        raise Rejected(reason, "RFC 4013 section 2.5: an unassigned code point in a stored string", fault)
