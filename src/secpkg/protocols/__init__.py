"""Wire protocols as sans-I/O machines."""
