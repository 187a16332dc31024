"""Sampling of structures, fast: each feature once, a row by Jacobi decoding, the codes of the plain form."""
