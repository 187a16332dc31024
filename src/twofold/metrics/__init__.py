"""Yardsticks on finished pictures: numpy in, one number out."""
