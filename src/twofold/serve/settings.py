"""What a server is told before it starts: where it listens, what it serves, and every limit that it keeps."""

import math
from dataclasses import dataclass
from pathlib import Path

from twofold.engine.model_name import ModelName, read_name
from twofold.errors import InputError

DEFAULT_MODELS = ("medfe-small", "dsi-small")
MOST_SAMPLES = 16
"""Answers that one request may ask for where the settings do not say less."""
MOST_MEGAPIXELS = 178
"""No larger picture is read, see ``twofold.pixels.read_photo``."""
_COMMAND_NAME = "command"


@dataclass(frozen=True)
class Settings:
    """Settings of one server; checked when they are made.

    Raises:
        InputError: on making one, if a value cannot be used.
    """

    host: str = "127.0.0.1"
    """Address to listen on. Anything but this machine's own needs a token; one is made if none is given."""
    port: int = 7860
    """Port to listen on; 0: any free one."""
    models: tuple[str, ...] = DEFAULT_MODELS
    """What can be asked for, as ``twofold.load`` takes it; NAME= in front names it. The first is the default.
    Clients choose by name among these only, so no request reaches another file of this machine."""
    device: str = "auto"
    """auto (CUDA where there is one, else the CPU), cpu, cuda, cuda:1, mps."""
    token: str | None = None
    """Clients must show this; None: none is needed."""
    origins: tuple[str, ...] = ()
    """Pages of these origins may call the server from a browser, for example https://photos.example."""
    allow_hosts: tuple[str, ...] = ()
    """Names, besides its own, that requests may call the server by."""
    page: bool = True
    """Whether the page to paint holes on is served."""
    workers: int = 2
    """Requests that are worked on at the same time; the others wait."""
    threads: int | None = None
    """Threads of one model; None: PyTorch's choice. Another number may round answers differently."""
    queue: int = 64
    """Requests that may wait; more are told to come again."""
    queue_bytes: int = 512_000_000
    """Bytes of decoded pictures that wait or are worked on at most."""
    answer_bytes: int = 2_000_000_000
    """Bytes of decoded answers that one request may ask for."""
    max_megapixels: float = 50.0
    """Millions of pixels of the largest picture."""
    max_body: int = 64_000_000
    """Bytes of the largest request."""
    max_samples: int = MOST_SAMPLES
    """Answers that one request may ask for, up to 16."""
    max_memory: int | None = None
    """Bytes that one fill by a network may take beside the picture; None: no limit."""
    deadline: float = 600.0
    """Seconds from a request's arrival to its last answer; what takes longer is given up."""
    body_seconds: float = 300.0
    """Seconds in which the whole of a request must have come."""
    head_seconds: float = 10.0
    """Seconds in which the head of a request must have come."""
    drain_seconds: float = 30.0
    """Seconds that running requests get to end when the server is told to stop."""

    def __post_init__(self) -> None:
        """Refuse values that cannot work."""
        _check_range("port", self.port, 0, 65535)
        for name in ("workers", "queue", "queue_bytes", "answer_bytes", "max_body"):
            _check_range(name, getattr(self, name), 1, 2**62)
        for name in ("deadline", "body_seconds", "head_seconds", "max_megapixels"):
            _check_positive(name, getattr(self, name))
        if self.max_megapixels > MOST_MEGAPIXELS:
            raise InputError(f"max_megapixels is {self.max_megapixels:g}; give up to {MOST_MEGAPIXELS}")
        _check_range("max_samples", self.max_samples, 1, MOST_SAMPLES)
        if not 0 <= self.drain_seconds < math.inf:
            raise InputError(f"drain_seconds is {self.drain_seconds}; give 0 or more")
        for name, limit in (("threads", self.threads), ("max_memory", self.max_memory)):
            if limit is not None:
                _check_range(name, limit, 1, 2**62)
        if not self.host:
            raise InputError("host is empty; give an address such as 127.0.0.1")
        if self.token is not None and (len(self.token) < 8 or not self.token.isascii() or " " in self.token):
            raise InputError("the token is too short or not plain; give 8 or more letters and digits")
        self._check_models()

    def _check_models(self) -> None:
        if not self.models:
            raise InputError("no model is given, so nothing could be filled; name one such as medfe-small")
        names = self.names
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise InputError(f"two models would be called {twice!r}; write NEWNAME= in front of one")

    @property
    def names(self) -> tuple[str, ...]:
        """The names that clients choose models by, the default first; no paths."""
        return tuple(served_name(read_name(model)) for model in self.models)

    @property
    def most_pixels(self) -> int:
        """Pixels of the largest picture."""
        return int(self.max_megapixels * 1e6)


def served_name(name: ModelName) -> str:
    """What clients call a model: its label, a bundled name, or a file's without folder and ending."""
    if name.label is not None:
        return name.label
    if name.kind == "classical":
        return str(name.target)
    if name.kind == "command":
        words = str(name.target).split()
        return Path(words[0]).stem if words else _COMMAND_NAME
    path = Path(name.target)
    if path.name == "model.safetensors":
        path = path.parent
    return path.name.removesuffix(path.suffix) if path.is_file() else path.name


def _check_range(name: str, value: int, least: int, most: int) -> None:
    """Refuse what is no whole number from ``least`` to ``most``."""
    if not least <= value <= most:
        wanted = f"{least} to {most}" if most < 2**62 else f"{least} or more"
        raise InputError(f"{name} is {value}; give {wanted}")


def _check_positive(name: str, value: float) -> None:
    if not 0 < value < math.inf:
        raise InputError(f"{name} is {value}; give a number above 0")
