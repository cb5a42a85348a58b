"""Keyring: a package that takes part in what an authority does with sessions, and not in contexts alone."""
