"""The command ``twofold``: one file a command, each parses, calls one job and prints."""
