"""Draw the validation curves of training runs (needs matplotlib).

python examples/plot_validation.py OUT.svg LABEL=RUN [LABEL=RUN ...]
"""

import json
import sys
from pathlib import Path

import matplotlib.pyplot as plt


def main(out: str, *runs: str) -> None:
    """Read ``log.jsonl`` of each run folder; PSNR on the left, LPIPS on the right."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    for run in runs:
        label, _, folder = run.partition("=")
        entries = map(json.loads, (Path(folder) / "log.jsonl").read_text().splitlines())
        found = [entry for entry in entries if entry["kind"] == "validation"]
        steps = [entry["step"] for entry in found]
        for axis, name in zip(axes, ("psnr", "lpips"), strict=True):
            axis.plot(steps, [entry[name] for entry in found], marker="o", label=label)
            print(label, name, [round(entry[name], 4) for entry in found])
    for axis, title in zip(axes, ("PSNR (dB, higher is better)", "LPIPS (lower is better)"), strict=True):
        axis.set(title=title, xlabel="step")
        axis.grid(alpha=0.3)
    axes[0].legend()
    figure.savefig(out)


if __name__ == "__main__":
    main(*sys.argv[1:])
