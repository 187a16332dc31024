"""Yardsticks of time and memory: one file a network, each against a literal form of itself."""
