"""For tests of packages and of programs that use them: `LabAuthority`, `FrozenClock`."""

from secpkg.testing.lab import FrozenClock, LabAuthority

__all__ = ["FrozenClock", "LabAuthority"]
