"""Holes: seeded generators, mask files, and buckets of hole ratio. No torch here."""
