"""Runs user halves and plain security support providers."""
