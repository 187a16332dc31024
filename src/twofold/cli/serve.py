"""``twofold serve``: the page to paint holes on and the HTTP interface, until Ctrl-C."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import tyro

from twofold.cli.command import parse
from twofold.serve.settings import DEFAULT_MODELS, Settings

TOKEN_VARIABLE = "TWOFOLD_TOKEN"


@dataclass(frozen=True)
class ServeOptions:
    """Serve a page to paint holes on and an HTTP interface to fill them.

    Open the address that is printed. Ctrl-C lets what runs finish and stops; a second one stops at once.
    """

    host: str = Settings.host
    """Listen on this address; 0.0.0.0 is all of this machine's. Where other machines reach the server, it
    asks for a token."""
    port: int = Settings.port
    """Listen on this port; 0 takes a free one."""
    model: Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="MODEL")] = ()
    """Serve this model, given as fill takes it; NAME= in front names it. Repeat it for several models; the
    first is the default. Without it, medfe-small and dsi-small are served."""
    device: str = Settings.device
    """Run networks on this device: auto (CUDA where there is one, else the CPU), cpu, cuda, cuda:1 or mps."""
    token: str | None = None
    """Answer only clients that show this token; the variable TWOFOLD_TOKEN is better, since other users do
    not see it. Without it, one is made up if other machines can reach the server."""
    origin: Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="ORIGIN")] = ()
    """Let pages of this origin, such as https://photos.example, use the server too; repeat it for more."""
    allow_host: Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="NAME")] = ()
    """Let clients call the server by this name too, as behind a proxy; repeat it for more; '*' is any."""
    workers: int = Settings.workers
    """Work on up to this many requests at the same time; the others wait."""
    queue: int = Settings.queue
    """Let up to this many requests wait; more are told to come again later."""
    max_megapixels: float = Settings.max_megapixels
    """Take pictures of up to this many million pixels."""
    max_samples: int = Settings.max_samples
    """Give up to this many answers to one request; 16 is the most."""
    deadline: float = Settings.deadline
    """Give a request up after this many seconds, waiting included."""
    threads: int | None = None
    """Run a model on this many threads; without it, PyTorch chooses. Another number may round answers
    differently."""
    max_memory: str | None = None
    """Let one fill take this much memory beside the program and the picture, such as 800MB or 2GB; without
    it, there is no limit."""
    no_page: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Serve the HTTP interface only."""
    open: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Open the page in the browser."""


def main(arguments: Sequence[str]) -> int:
    """Run ``twofold serve`` with these arguments until it is stopped; the exit status is 0."""
    options: ServeOptions = parse(ServeOptions, "twofold serve", arguments)
    settings = settings_of(options)

    from twofold.serve.run import announce, run

    def listening(address: str, made_up: bool) -> None:
        announce(address, made_up)
        if options.open:
            import webbrowser

            webbrowser.open(address)

    return run(settings, listening)


def settings_of(options: ServeOptions) -> Settings:
    """The server's settings.

    Raises:
        InputError: if a value cannot be used.
    """
    from twofold.engine.memory import read_bytes
    from twofold.engine.model_name import Typed

    return Settings(
        host=options.host,
        port=options.port,
        models=tuple(Typed(model) for model in options.model or DEFAULT_MODELS),
        device=options.device,
        token=options.token or os.environ.get(TOKEN_VARIABLE) or None,
        origins=options.origin,
        allow_hosts=options.allow_host,
        page=not options.no_page,
        workers=options.workers,
        threads=options.threads,
        queue=options.queue,
        max_megapixels=options.max_megapixels,
        max_samples=options.max_samples,
        max_memory=None if options.max_memory is None else read_bytes(options.max_memory),
        deadline=options.deadline,
    )
