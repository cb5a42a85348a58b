"""`make prove`: no stub survives the tests. See `tools.prove.__main__`."""
