"""Metrics of finished pictures: numpy in, one number out."""
