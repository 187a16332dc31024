"""``python -m twofold`` is the command ``twofold``."""

import sys

from twofold.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
