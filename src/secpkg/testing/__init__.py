"""For tests of packages and of applications: LabAuthority, Pair, FrozenClock."""
