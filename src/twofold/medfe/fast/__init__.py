"""Arrangements of MEDFE that answer faster; the plain forms beside are what they are tested against."""
