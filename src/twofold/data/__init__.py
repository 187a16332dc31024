"""Photographs, holes and structure targets for training and validation."""
