"""What a batch job is asked for, and what it will do: found out from names, before anything is written."""

import zlib
from dataclasses import dataclass, field

from twofold.batch.manifest import MANIFEST_ENDINGS, read_manifest
from twofold.batch.naming import KEEP, Task, name_outputs
from twofold.batch.pairing import PICTURE_ENDINGS, Pairing, one_mask_for_all, pair_names, split_shared
from twofold.batch.storage import LocalStorage, Storage, check_apart, open_storage
from twofold.batch.work import Settings
from twofold.errors import InputError

FORMATS = ("png", "webp", "tif", "jpg", KEEP)


@dataclass(frozen=True)
class Job:
    """What ``twofold batch`` is asked for.

    Attributes:
        images: folder of pictures, or an address of fsspec.
        masks: folder of masks, one mask for all, or a manifest; or such an address.
        out: folder for the filled pictures, or an address.
        settings: how they are filled.
        format: one of ``FORMATS``.
        skip_unpaired: whether names without partner are left out instead of refused.
        shard: this run's part of the job and how many parts there are, from 1.
        workers: how many processes, or Ray actors; None: what the machine or cluster can feed.
        timeout: seconds that a picture may take; None: as long as it takes.
        ray: whether a Ray cluster does it.
    """

    images: str
    masks: str
    out: str
    settings: Settings = field(default_factory=Settings)
    format: str = "png"
    skip_unpaired: bool = False
    shard: tuple[int, int] = (1, 1)
    workers: int | None = None
    timeout: float | None = None
    ray: bool = False


@dataclass(frozen=True)
class Plan:
    """What a job will do, found out from names alone.

    Attributes:
        tasks: of this shard, sorted by picture.
        images_without_mask: names; all of them, whatever the shard.
        masks_without_image: names.
        masks: the folder that masks lie in.
    """

    tasks: list[Task]
    images_without_mask: list[str]
    masks_without_image: list[str]
    masks: str


def plan_job(job: Job) -> Plan:
    """Pair pictures and masks and name the outputs; nothing is written.

    Raises:
        InputError: if an option, a folder or a name cannot be used.
    """
    _check(job)
    images, out = open_storage(job.images), open_storage(job.out)
    masks, file = _masks(job.masks)
    for place in (images, masks):
        if isinstance(place, LocalStorage) and not place.root.is_dir():
            raise InputError(f"{place.text} is not a folder; give a folder that exists")
    check_apart(out, [images] if file else [images, masks])
    if file.lower().endswith(MANIFEST_ENDINGS):
        pairing = read_manifest(_content(masks, file), job.masks)
    elif file:
        if masks.size(file) is None:
            raise InputError(f"there is no mask {job.masks}; give a mask, a folder of masks, or a manifest")
        pairing = one_mask_for_all(images.names(PICTURE_ENDINGS, but=[out]), file)
    elif _same(images, masks):
        pairing = pair_names(*split_shared(images.names(PICTURE_ENDINGS, but=[out])))
    else:
        pairing = pair_names(
            images.names(PICTURE_ENDINGS, but=[out, masks]), masks.names(PICTURE_ENDINGS, but=[out, images])
        )
    return _named(job, pairing, masks.text)


def _check(job: Job) -> None:
    """Refuse numbers that make no sense."""
    index, count = job.shard
    least = {
        "samples": (job.settings.samples, 1),
        "seed": (job.settings.seed, 0),
        "workers": (job.workers, 1),
        "threads": (job.settings.threads, 1),
    }
    for name, (value, lowest) in least.items():
        if value is not None and value < lowest:
            raise InputError(f"{name} is {value}; give at least {lowest}")
    if not 1 <= index <= count:
        raise InputError(f"shard is {index}/{count}; give 1/{count} to {count}/{count}")
    if job.timeout is not None and not job.timeout > 0:
        raise InputError(f"timeout is {job.timeout:g}; give seconds above 0")
    if job.format not in FORMATS:
        raise InputError(f"format is {job.format!r}; give one of {', '.join(FORMATS)}")


def _masks(text: str) -> tuple[Storage, str]:
    """The folder that MASKS is, or that holds it, and its name if it is a manifest or one mask."""
    place = open_storage(text)
    folder = isinstance(place, LocalStorage) and place.root.is_dir()
    if folder or not text.lower().endswith((*MANIFEST_ENDINGS, *PICTURE_ENDINGS)):
        return place, ""
    if isinstance(place, LocalStorage):
        return LocalStorage(place.root.parent), place.root.name
    parent, _, name = text.rpartition("/")
    return open_storage(parent), name


def _content(place: Storage, name: str) -> bytes:
    try:
        return place.read(name)
    except OSError as error:
        reason = error.strerror or error
        raise InputError(
            f"cannot read the manifest {name} in {place.text}: {reason}; give one that exists"
        ) from error


def _same(first: Storage, second: Storage) -> bool:
    if isinstance(first, LocalStorage) and isinstance(second, LocalStorage):
        return first.root.resolve() == second.root.resolve()
    return first.text == second.text


def _named(job: Job, pairing: Pairing, masks: str) -> Plan:
    """Name the outputs of all, so that no shard can clash with another, and keep this shard's."""
    if not pairing.pairs and not pairing.images_without_mask:
        raise InputError(
            f"{job.images} holds no picture; put files in it that end in {', '.join(PICTURE_ENDINGS)}"
        )
    ending = job.format if job.format == KEEP else f".{job.format}"
    tasks = name_outputs(pairing.pairs, ending)
    index, count = job.shard
    if count > 1:
        tasks = [task for task in tasks if _shard_of(task, count) == index]
    return Plan(tasks, pairing.images_without_mask, pairing.masks_without_image, masks)


def _shard_of(task: Task, count: int) -> int:
    """The part that a task belongs to, from its name: other names change nothing."""
    return zlib.crc32(task.out.encode("utf-8", "surrogateescape")) % count + 1
