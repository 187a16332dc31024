"""Names of models, taken apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from twofold.engine.model_name import ModelName, Typed, read_name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("medfe-small", ModelName("network", "medfe-small")),
        ("mine=runs/last", ModelName("network", "runs/last", "mine")),
        ("opencv-telea", ModelName("classical", "opencv-telea")),
        ("fast=opencv-telea", ModelName("classical", "opencv-telea", "fast")),
        ("x/lama.ONNX", ModelName("onnx", "x/lama.ONNX")),
        ("big.pt", ModelName("torchscript", "big.pt")),
        ("lama:big.jit", ModelName("torchscript", "big.jit", None, "lama")),
        ("b=migan:x.torchscript", ModelName("torchscript", "x.torchscript", "b", "migan")),
        ("lama:model.safetensors", ModelName("network", "lama:model.safetensors")),
        (Typed("cmd: t {image} --a=b"), ModelName("command", "t {image} --a=b")),
        (Typed("sd=cmd:t --a=b"), ModelName("command", "t --a=b", "sd")),
        ("=x.onnx", ModelName("onnx", "=x.onnx")),
        ("a/b=c.onnx", ModelName("onnx", "a/b=c.onnx")),
    ],
)
def test_label_kind_family_and_file_are_read(name, expected):
    assert read_name(name) == expected


def test_a_path_object_is_never_a_method_nor_cut(tmp_path):
    assert read_name(Path("opencv-telea")) == ModelName("network", Path("opencv-telea"))
    assert read_name(Path("a=b.onnx")) == ModelName("onnx", Path("a=b.onnx"))


def test_what_exists_is_not_cut_and_a_folder_is_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a=b.onnx").touch()
    Path("run.pt").mkdir()
    assert read_name("a=b.onnx") == ModelName("onnx", "a=b.onnx")
    assert read_name("run.pt") == ModelName("network", "run.pt")
