"""Fill every picture of a folder: pair, fill on all cores or on a Ray cluster, and go on after any kill."""
