"""A package, so that the authority of each world ends with its last test (pytest's scope of that name)."""
