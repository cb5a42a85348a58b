"""Embedded, worker and daemon: where hosts, authority, local calls and the packages' list are put together."""
