"""The secpkg command."""
