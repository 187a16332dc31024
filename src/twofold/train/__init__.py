"""Training: one loop for all networks, one recipe file for each."""
