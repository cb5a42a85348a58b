"""The Local Security Authority."""
