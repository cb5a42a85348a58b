"""A package, so that the doctor's daemon ends with its last test (pytest's scope of that name)."""
