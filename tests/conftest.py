"""What holds for every test; that warnings are errors and that skips give their reasons stands in pyproject.toml."""

from hypothesis import settings

# A deadline on a busy machine says how busy it was; pytest's own time-out finds what hangs. CI draws the same examples
# each time, so that a red build means a change; at a desk new ones are drawn.
settings.register_profile("secpkg", settings.get_profile("default"), deadline=None)
settings.register_profile("secpkg-ci", settings.get_profile("ci"), deadline=None, derandomize=True)
settings.load_profile("secpkg-ci" if settings.get_current_profile_name() == "ci" else "secpkg")
