"""The house holds: layers, style, types, and what starts without torch."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False)


def test_imports_go_down_only():
    done = run(
        "-c", "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True))"
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]])
def test_style_is_clean(command):
    done = run("-m", "ruff", *command, "src", "tests", "benchmarks", "examples")
    assert done.returncode == 0, done.stdout + done.stderr


def test_types_are_strict_and_right(tmp_path):
    done = run("-m", "mypy", "--cache-dir", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_file_has_two_jobs():
    long = {
        str(path.relative_to(ROOT)): lines
        for path in (ROOT / "src").rglob("*.py")
        if (lines := len(path.read_text().splitlines())) > 350
    }
    assert not long, f"over 350 lines: {long}"


def test_every_file_says_its_job():
    silent = [str(path) for path in (ROOT / "src").rglob("*.py") if not path.read_text().startswith('"""')]
    assert not silent


@pytest.mark.parametrize(
    "statement",
    [
        "import twofold",
        "import twofold.errors, twofold.inpainter, twofold.pixels",
        "import twofold.masks.buckets, twofold.masks.files",
        "import twofold.cli.main",
    ],
)
def test_starts_without_torch(statement):
    done = run("-c", f"{statement}\nimport sys\nraise SystemExit('torch' in sys.modules)")
    assert done.returncode == 0, done.stderr
