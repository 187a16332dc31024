"""Many clients at once: each gets its own picture, as if it were alone, and the memory has an end."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import torch
from PIL import Image

from dsi.lively import enliven
from serve.live import at_gate, picture, pixels_of, png, sample_value
from serve.process import Process, process
from twofold.checkpoints.format import save_weights
from twofold.dsi.config import tiny as tiny_dsi
from twofold.families import FAMILIES
from twofold.medfe.config import tiny as tiny_medfe
from twofold.serve.app import create_app
from twofold.serve.settings import Settings

DOCUMENT = Path(__file__).parents[2] / "docs" / "serving.md"
CLIENTS = {"medfe": 140, "dsi": 60}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Tiny networks of both families, as files."""
    folder = tmp_path_factory.mktemp("models")
    for family, config in {"medfe": replace(tiny_medfe(), native_size=64), "dsi": tiny_dsi()}.items():
        torch.manual_seed(0)
        network = FAMILIES[family].build(config)
        if family == "dsi":
            enliven(network)
        (folder / family).mkdir()
        save_weights(
            folder / family / "model.safetensors",
            family=family,
            config=config,
            state=network.state_dict(),
            name=family,
        )
    return {family: str(folder / family) for family in CLIENTS}


@pytest.fixture(scope="module")
def server(models: dict[str, str]) -> Iterator[Process]:
    """A process of its own: in this one every call of a network has its shapes checked."""
    words = [word for name, path in models.items() for word in ("--model", f"{name}={path}")]
    with process(*words, "--queue", "256", "--workers", "4") as server:
        server.wait_until_ready()
        yield server


ALONE = """
import json, sys
import numpy as np
import twofold
from serve.live import picture
inpainters = {}
for name, path, number, samples, options in json.loads(sys.argv[2]):
    kind = path, str(options)
    inpainters[kind] = inpainters.get(kind) or twofold.load(path, options=options)
    result = inpainters[kind].fill(*picture(number), samples=samples, seed=number)
    for sample in result.samples:
        np.save(f"{sys.argv[1]}/{name}-{number}-{sample.index}.npy", sample.image)
    print(json.dumps([result.ranking, [sample.log_likelihood for sample in result.samples]]))
"""


def fill_alone(folder: Path, tasks: list[tuple[str, str, int, int, Any]]) -> list[Any]:
    """Fill pictures in a process of its own, one after the other; rankings and likelihoods."""
    tests = str(Path(__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", ALONE, str(folder), json.dumps(tasks)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([tests, os.environ.get("PYTHONPATH", "")])},
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_200_clients_at_once_get_each_its_own_picture_bit_for_bit(
    server: Process, models: dict[str, str], tmp_path: Path
) -> None:
    asked = [(name, number) for name, count in CLIENTS.items() for number in range(count)]
    memory = server.memory()

    async def ask(client: httpx.AsyncClient, name: str, number: int) -> np.ndarray:
        photo, mask = picture(number)
        body = {"image": png(photo), "mask": png(mask), "model": name, "seed": number}
        answer = await client.post("/api/v1/fill", json=body)
        assert answer.status_code == 200, answer.text
        (sample,) = answer.json()["samples"]
        return pixels_of(sample["image"])

    async def ask_all() -> list[np.ndarray]:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(
            base_url=server.url, timeout=240, limits=limits, trust_env=False
        ) as client:
            return list(await asyncio.gather(*(ask(client, *one) for one in asked)))

    answers = asyncio.run(ask_all())
    assert server.memory() - memory < 300_000_000
    fill_alone(tmp_path, [(name, models[name], number, 1, None) for name, number in asked])
    for (name, number), answer in zip(asked, answers, strict=True):
        expected = np.load(tmp_path / f"{name}-{number}-0.npy")
        np.testing.assert_array_equal(answer, expected, err_msg=f"{name}, picture {number}")
        photo, mask = picture(number)
        assert (answer[mask > 0] != photo[mask > 0]).any()
    metrics = httpx.get(f"{server.url}/metrics", trust_env=False).text
    for name, count in CLIENTS.items():
        assert sample_value(metrics, "twofold_jobs_total", model=name, state="done") == count


def test_several_samples_of_one_seed_are_those_of_the_painter(
    server: Process, models: dict[str, str], tmp_path: Path
) -> None:
    photo, mask = picture(9)
    options = {"temperature": 1.5, "top_k": 5}
    body = {
        "image": png(photo),
        "mask": png(mask),
        "model": "dsi",
        "samples": 3,
        "seed": 9,
        "options": options,
    }
    answer = httpx.post(f"{server.url}/api/v1/fill", json=body, timeout=60, trust_env=False).json()
    ((ranking, likelihoods),) = fill_alone(tmp_path, [("dsi", models["dsi"], 9, 3, options)])
    assert answer["ranking"] == ranking
    assert answer["options"].items() >= options.items()
    assert [sample["log_likelihood"] for sample in answer["samples"]] == pytest.approx(likelihoods)
    for sample in answer["samples"]:
        expected = np.load(tmp_path / f"dsi-9-{sample['index']}.npy")
        np.testing.assert_array_equal(pixels_of(sample["image"]), expected)


def resident() -> int:
    """Bytes of memory that this process holds; 0 where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def test_pictures_that_wait_are_bounded_in_memory_and_not_only_in_number() -> None:
    large, mask = np.zeros((2000, 2000, 3), np.uint8), np.zeros((2000, 2000), np.uint8)
    mask[900:920, 900:920] = 255
    body = {"image": png(large), "mask": png(mask)}  # a few kilobytes that become 16 megabytes
    settings = Settings(queue=100, queue_bytes=80_000_000, workers=1, drain_seconds=0.0)
    with at_gate(settings) as (live, gate):
        memory = resident()
        statuses: list[int] = []

        async def ask(client: httpx.AsyncClient) -> None:
            statuses.append((await client.post("/api/v1/fill", json=body)).status_code)

        async def ask_all() -> None:
            limits = httpx.Limits(max_connections=None)
            async with httpx.AsyncClient(
                base_url=live.url, timeout=60, limits=limits, trust_env=False
            ) as client:
                tasks = [asyncio.create_task(ask(client)) for _ in range(40)]
                while len(statuses) < 35:
                    await asyncio.sleep(0.01)
                assert resident() - memory < 300_000_000  # all forty would be 640
                gate.opened.set()
                await asyncio.gather(*tasks)

        asyncio.run(ask_all())
    assert sorted(statuses) == [200] * 5 + [429] * 35


# --- the document -------------------------------------------------------------------------------


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with ``photo.png`` and ``mask.png`` to work in."""
    for name, pixels in zip(("photo.png", "mask.png"), picture(5), strict=True):
        Image.fromarray(pixels).save(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_client_of_the_document_writes_each_sample_as_it_comes(
    server: Process, models: dict[str, str], folder: Path
) -> None:
    (code,) = blocks("python")
    assert len(code.splitlines()) <= 40
    (folder / "client.py").write_text(code)
    command = [sys.executable, "client.py", server.url, "photo.png", "mask.png", "dsi", "2"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder)
    assert done.stdout.split() == ["sample-0.png", "sample-1.png"]
    with Image.open(folder / "sample-1.png") as image:
        filled = np.array(image)
    photo, mask = picture(5)
    np.testing.assert_array_equal(filled[mask == 0], photo[mask == 0])
    assert (filled[mask > 0] != photo[mask > 0]).any()


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_commands_of_the_document_work(server: Process, folder: Path) -> None:
    commands = [block for block in blocks("bash") if "curl" in block]
    assert len(commands) >= 3
    for command in commands:
        script = command.replace("http://127.0.0.1:7860", server.url).replace("dsi-small", "dsi")
        done = subprocess.run(
            ["bash", "-ec", script], capture_output=True, text=True, cwd=folder, check=False
        )
        assert done.returncode == 0, done.stderr
        assert '"code"' not in done.stdout, done.stdout
    photo, mask = picture(5)
    with Image.open(folder / "filled.png") as image:
        np.testing.assert_array_equal(np.array(image)[mask == 0], photo[mask == 0])


def test_the_document_names_every_option_and_route() -> None:
    from dataclasses import fields

    from twofold.cli.serve import ServeOptions

    text = DOCUMENT.read_text()
    for field in fields(ServeOptions):
        assert f"`--{field.name.replace('_', '-')}" in text, field.name
    for path in create_app(Settings(models=("opencv-telea",))).openapi()["paths"]:
        assert path in text, path
