"""Find the command that was asked for, run it, and say what went wrong in one line.

Nothing heavy is imported here, so that ``twofold --help`` answers at once.
"""

import sys
from collections.abc import Sequence
from importlib import import_module
from traceback import print_exc

COMMANDS: dict[str, tuple[str, str]] = {
    "fill": ("fill the white part of a mask in a photo", "twofold.cli.fill"),
    "batch": ("fill every picture of a folder, on all cores or a cluster", "twofold.cli.batch"),
    "serve": ("serve a page to paint holes on, and an HTTP interface", "twofold.cli.serve"),
    "masks": ("make and change masks, and find scratches and dust", "twofold.cli.masks"),
    "train": ("train a network on a folder of photographs", "twofold.cli.train"),
    "evaluate": ("compare models on photographs with holes, in one table", "twofold.cli.evaluate"),
    "export": ("write a network as a file that runs without PyTorch", "twofold.cli.export"),
    "convert": ("turn the weights of other projects into ours", "twofold.cli.convert"),
}
"""Command -> its help in one line, and the module whose ``main(arguments)`` runs it."""

USAGE_ERROR = 2
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status: 0, 2 for bad input, 130 for Ctrl-C.

    Args:
        arguments: without the program's name; None takes those of the process.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    given = [argument for argument in given if argument != "--debug"]
    if not given:
        print(_help(), file=sys.stderr)
        return USAGE_ERROR
    if given[0] in ("-h", "--help", "help"):
        print(_help())
        return 0
    if given[0] == "--version":
        from twofold import __version__

        print(f"twofold {__version__}")
        return 0
    if given[0] not in COMMANDS:
        print(
            f"twofold: there is no command {given[0]!r}; give one of {', '.join(COMMANDS)}", file=sys.stderr
        )
        return USAGE_ERROR
    from twofold.errors import TwofoldError

    try:
        return int(import_module(COMMANDS[given[0]][1]).main(given[1:]))
    except (TwofoldError, OSError) as error:  # OSError: a name that the disk does not take, a full disk, ...
        if debug:
            print_exc()
        print(f"twofold: {' '.join(str(error).split())}", file=sys.stderr)
        return USAGE_ERROR
    except KeyboardInterrupt:
        if debug:
            print_exc()
        print("twofold: interrupted", file=sys.stderr)
        return INTERRUPTED
    except SystemExit as leaving:  # how tyro leaves after --help and after a wrong option
        return leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {text}" for name, (text, _) in COMMANDS.items()]
    return "\n".join(
        [
            "usage: twofold COMMAND ...",
            "",
            "Image inpainting that treats structure and texture.",
            "",
            "commands:",
            *lines,
            "",
            "options:",
            "  -h, --help  this text; after a command, the command's own",
            "  --version   version of twofold",
            "  --debug     show the whole traceback of an error, with any command",
        ]
    )
