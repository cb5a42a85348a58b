"""The inbox packages, loaded through the same door as everyone's."""
