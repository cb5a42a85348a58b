"""Fuzzing with coverage: `make fuzz`."""
