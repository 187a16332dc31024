"""Write the checkpoints of this folder with TensorFlow itself (which the project never needs otherwise).

python write_bundle.py      # in an environment with TensorFlow; see README.md for the version
"""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path

import numpy as np
import tensorflow as tf

HERE = Path(__file__).parent


def values(count: int) -> dict[str, np.ndarray]:
    """Tensors of every type that is read, of several shapes, with long shared beginnings of names."""
    rng = np.random.default_rng(7)
    tensors = {
        "types/float16": rng.normal(size=(3, 2)).astype(np.float16),
        "types/float32": rng.normal(size=(2, 3, 4, 5)).astype(np.float32),
        "types/float64": rng.normal(size=7),
        "types/int32": rng.integers(-9, 9, (4, 1)).astype(np.int32),
        "types/int64": np.array(-(2**40)),
        "types/empty": np.zeros((0, 3), np.float32),
        "types/special": np.array([np.inf, -np.inf, np.nan, -0.0], np.float32),
    }
    for index in range(count):
        tensors[f"net/layer_{index}/weight"] = rng.normal(size=(index % 5, 2)).astype(np.float32)
    return tensors


def save(prefix: Path, tensors: dict[str, np.ndarray]) -> None:
    tf.raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=list(tensors),
        shape_and_slices=[""] * len(tensors),
        tensors=[tf.constant(value) for value in tensors.values()],
    )


def by_saver(folder: Path) -> None:
    """As a training run does: variables, an optimizer's slots, ``tf.train.Saver``, a ``checkpoint`` file."""
    v1 = tf.compat.v1
    rng = np.random.default_rng(3)
    with tf.Graph().as_default(), v1.Session() as session:
        with v1.variable_scope("net"):
            weight = v1.get_variable("W", initializer=rng.normal(size=(3, 2)).astype(np.float32))
            v1.get_variable("b", initializer=rng.normal(size=2).astype(np.float32))
        step = v1.train.get_or_create_global_step()
        train = v1.train.AdamOptimizer(0.1).minimize(tf.reduce_sum(weight**2), global_step=step)
        average = tf.train.ExponentialMovingAverage(0.9)
        with tf.control_dependencies([train]):
            update = average.apply([weight])
        session.run(v1.global_variables_initializer())
        session.run(update)
        v1.train.Saver(save_relative_paths=True).save(
            session, str(folder / "model.ckpt"), global_step=step, write_meta_graph=False
        )
        expected = {variable.op.name: session.run(variable) for variable in v1.global_variables()}
    np.savez_compressed(folder.with_suffix(".npz"), **{k.replace("/", "|"): v for k, v in expected.items()})


def main() -> None:
    # One file.
    tensors = values(60)
    save(HERE / "one.ckpt", tensors)
    np.savez_compressed(HERE / "one.npz", **{name.replace("/", "|"): v for name, v in tensors.items()})
    # Two data files, as sharded savers leave them.
    halves = [dict(list(tensors.items())[start::2]) for start in (0, 1)]
    parts = []
    with tempfile.TemporaryDirectory() as folder:
        for index, half in enumerate(halves):
            save(Path(folder, f"part_{index}"), half)
            parts.append(str(Path(folder, f"part_{index}")))
        tf.raw_ops.MergeV2Checkpoints(
            checkpoint_prefixes=parts, destination_prefix=str(HERE / "two.ckpt"), delete_old_dirs=False
        )
    # Several blocks in the table: TensorFlow's blocks have 256 KiB, so the names are long (and zipped).
    long_names = {f"{index:03d}/{'x' * 4000}": np.float32([index]) for index in range(200)}
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(HERE / "blocks.zip", "w") as archive:
        save(Path(folder, "blocks.ckpt"), long_names)
        for file in sorted(Path(folder).iterdir()):
            archive.writestr(zipfile.ZipInfo(file.name), file.read_bytes(), zipfile.ZIP_DEFLATED)
    (HERE / "saver").mkdir(exist_ok=True)
    by_saver(HERE / "saver")


if __name__ == "__main__":
    main()
