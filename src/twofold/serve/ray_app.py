"""The same application on Ray Serve: replicas of it on any number of machines, behind one address.

``serve run twofold.serve.ray_app:build replicas=2 model=medfe-small`` starts it from the command line.
"""

from collections.abc import Mapping
from typing import Any, get_type_hints

from twofold.errors import InputError, MissingExtraError
from twofold.serve.settings import Settings

try:
    from pydantic import TypeAdapter, ValidationError
    from ray import serve
    from ray.serve import Application

    from twofold.serve.app import create_app
    from twofold.serve.security.policy import is_loopback
except ImportError as error:
    if (error.name or "").startswith("twofold"):
        raise
    raise MissingExtraError(
        f"serving on Ray needs ray[serve] and the server ({error}); pip install 'twofold[serve,ray]'"
    ) from error

NAME = "twofold"
_LISTS = {"model": "models", "origin": "origins", "allow_host": "allow_hosts"}
"""Arguments that hold several values, separated by commas -> the setting."""


def application(settings: Settings, *, replicas: int = 1, cpus: float = 1.0) -> Application:
    """The application as Ray Serve deploys it; give it to ``ray.serve.run``.

    Each replica is a process with models, queue and limits of its own, and Ray spreads the requests over
    them. So ``DELETE /api/v1/jobs/{id}`` reaches a job only by luck where there are several replicas: clients
    cancel by leaving. Metrics are those of the replica that answers.

    Args:
        settings: of every replica. ``host`` and ``port`` are the proxy's, ``serve.start(http_options=...)``:
            a server that other machines can reach needs a token, and its names in ``allow_hosts``.
        replicas: how many.
        cpus: cores that each one is given; its models run on as many threads unless ``threads`` says other.

    Raises:
        InputError: if the host is not this machine's own and there is no token.
    """
    if replicas < 1 or cpus <= 0:
        raise InputError(f"replicas is {replicas} and cpus {cpus}; give 1 or more, each with some of a core")
    if settings.token is None and not is_loopback(settings.host):
        raise InputError(
            f"host is {settings.host}, which other machines can reach, and there is no token; give one that "
            "all replicas share"
        )

    def replica() -> Any:
        """Made in the replica: threads, queue and models cannot travel."""
        return create_app(settings)

    deployment: Any = serve.deployment(serve.ingress(replica)())  # stubs take it for the decorator
    return deployment.options(
        name=NAME,
        num_replicas=replicas,
        max_ongoing_requests=settings.queue + settings.workers + _SMALL_REQUESTS,
        graceful_shutdown_timeout_s=settings.drain_seconds,
        ray_actor_options={"num_cpus": cpus, "runtime_env": {"env_vars": _threads(cpus)}},
    ).bind()


_SMALL_REQUESTS = 64
"""Requests for the page, models or health that a replica may answer beside those that wait in its queue,
which itself refuses what is too much."""


def build(arguments: Mapping[str, str]) -> Application:
    """The application from arguments of ``serve run``: ``replicas``, ``cpus``, and settings by their names.

    ``model``, ``origin`` and ``allow_host`` take several values, separated by commas.

    Raises:
        InputError: if there is no such argument, or a value cannot be used.
    """
    given = {"replicas": "1", "cpus": "1", **arguments}
    try:
        replicas, cpus = int(given.pop("replicas")), float(given.pop("cpus"))
    except ValueError as error:
        raise InputError(f"replicas or cpus is no number ({error})") from error
    settings = Settings(**dict(_setting(name, text) for name, text in given.items()))
    return application(settings, replicas=replicas, cpus=cpus)


def _setting(name: str, text: str) -> tuple[str, Any]:
    """A setting's own name and its value, from text."""
    kinds = get_type_hints(Settings)
    own = _LISTS.get(name, name)
    if own not in kinds or name in _LISTS.values():
        names = ", ".join(sorted({*kinds, *_LISTS, "replicas", "cpus"} - set(_LISTS.values())))
        raise InputError(f"there is no argument {name!r}; give some of {names}")
    value = [part for part in text.split(",") if part] if name in _LISTS else text
    try:
        return own, TypeAdapter(kinds[own]).validate_python(value)
    except ValidationError as error:
        raise InputError(f"{name} is {text!r}: {error.errors()[0]['msg']}") from error


def _threads(cpus: float) -> dict[str, str]:
    """Keep a replica's models to the cores that it was given."""
    return {"OMP_NUM_THREADS": str(max(1, int(cpus)))}
