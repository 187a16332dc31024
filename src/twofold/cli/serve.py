"""``twofold serve``: the page to paint holes on and the HTTP interface, until Ctrl-C."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import tyro

if TYPE_CHECKING:
    from twofold.serve.settings import Settings

TOKEN_VARIABLE = "TWOFOLD_TOKEN"


@dataclass(frozen=True)
class ServeOptions:
    """Serve a page to paint holes on and an HTTP interface to fill them.

    Open the address that is printed. Ctrl-C lets what runs finish and stops; a second one stops at once.
    """

    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 is all of this machine's. Where other machines reach the server, it asks
    for a token."""
    port: int = 7860
    """Port to listen on; 0 takes a free one."""
    model: Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="MODEL")] = ()
    """A model to serve, as fill takes it; NAME= in front names it. Give it several times for several; the
    first is the default. Without it: medfe-small and dsi-small."""
    device: str = "auto"
    """auto (CUDA where there is one, else the CPU), cpu, cuda, cuda:1, mps."""
    token: str | None = None
    """Clients must show this; better given in the variable TWOFOLD_TOKEN, where other users do not see it.
    Without it one is made up if other machines can reach the server."""
    origin: Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="ORIGIN")] = ()
    """Pages of this origin, such as https://photos.example, may use the server too; repeat it for more."""
    allow_host: Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="NAME")] = ()
    """Another name by which clients call the server, as behind a proxy; repeat it for more; '*': any."""
    workers: int | None = None
    """Requests that are worked on at the same time."""
    queue: int | None = None
    """Requests that may wait; more are told to come again later."""
    max_megapixels: float | None = None
    """Millions of pixels of the largest picture."""
    max_samples: int | None = None
    """Answers that one request may ask for, up to 16."""
    deadline: float | None = None
    """Seconds that a request may take, waiting included."""
    threads: int | None = None
    """Threads of a model; without it PyTorch's choice. Another number may round answers differently."""
    max_memory: str | None = None
    """What one fill may take beside the program and the picture, such as 800MB or 2GB."""
    no_page: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Serve the HTTP interface only."""
    open: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Open the page in the browser."""


def main(arguments: Sequence[str]) -> int:
    """Run ``twofold serve`` with these arguments until it is stopped; the exit status is 0."""
    options = tyro.cli(ServeOptions, prog="twofold serve", args=list(arguments))
    settings = settings_of(options)

    from twofold.serve.run import announce, run

    def listening(address: str, made_up: bool) -> None:
        announce(address, made_up)
        if options.open:
            import webbrowser

            webbrowser.open(address)

    return run(settings, listening)


def settings_of(options: ServeOptions) -> Settings:
    """The server's settings; what was not given stays as the server has it.

    Raises:
        InputError: if a value cannot be used.
        MissingExtraError: if a library that the server needs is not installed.
    """
    from twofold.engine.memory import read_bytes
    from twofold.serve.settings import Settings

    same = ("workers", "queue", "max_megapixels", "max_samples", "deadline", "threads")
    given = {name: getattr(options, name) for name in same if getattr(options, name) is not None}
    if options.model:
        given["models"] = options.model
    if options.max_memory is not None:
        given["max_memory"] = read_bytes(options.max_memory)
    return Settings(
        host=options.host,
        port=options.port,
        device=options.device,
        token=options.token or os.environ.get(TOKEN_VARIABLE) or None,
        origins=options.origin,
        allow_hosts=options.allow_host,
        page=not options.no_page,
        **given,
    )
