"""`python -m demo_company`: makes the demo company's deliveries and its truth, unless they are already there.

What belongs here: the command line, and putting finished folders into place so that nobody ever sees half of them.
What does not: making their contents (build), which is imported only when there is something to make.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from demo_company import GENERATOR_VERSION, SOURCES

if TYPE_CHECKING:
    from demo_company.build import Made

SMALLEST_SCALE = 0.01


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    asked = _parse(arguments)
    data_dir: Path = asked.data_dir
    wanted = {"scale": asked.scale, "seed": asked.seed, "generator_version": GENERATOR_VERSION}
    found = _read_marker(data_dir)
    if found == {**wanted, "complete": True} and all((data_dir / "landing" / source).is_dir() for source in SOURCES):
        print(f"The demo company is already there: {data_dir} (scale {asked.scale:g}, seed {asked.seed}).")
        return 0
    if found is None and (foreign := _foreign_folders(data_dir)):
        print(
            f"{', '.join(map(str, foreign))}: holds files that the demo company did not make, so it stays as it is. "
            "Move it away, or choose another folder with --data-dir.",
            file=sys.stderr,
        )
        return 1
    made = _make(data_dir, wanted)
    _summarise(data_dir, asked.scale, asked.seed, made)
    return 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m demo_company",
        description="Make the demo company's raw deliveries and the truth about its KPIs. Same seed, same files.",
    )
    parser.add_argument("--scale", type=_scale, default=1.0, help="size; 1 is about 100,000 orders (default 1)")
    parser.add_argument("--seed", type=_seed, default=20240101, help="start of all chance (default 20240101)")
    parser.add_argument(
        "--data-dir",
        type=Path,
        default=Path(os.environ.get("DATA_DIR") or "data"),
        help="where landing/ and demo_truth/ go (default: $DATA_DIR, else data)",
    )
    return parser.parse_args(arguments)


def _scale(text: str) -> float:
    scale = float(text)
    if not SMALLEST_SCALE <= scale <= 1_000:
        raise argparse.ArgumentTypeError(f"must be between {SMALLEST_SCALE} and 1000, not {text}")
    return scale


def _seed(text: str) -> int:
    seed = int(text)
    if seed < 0:
        raise argparse.ArgumentTypeError(f"must not be negative, not {text}")
    return seed


def _marker(data_dir: Path) -> Path:
    return data_dir / "demo_truth" / "demo.json"


def _read_marker(data_dir: Path) -> dict[str, Any] | None:
    """What the files there were made with; None when the demo company has not been there."""
    try:
        content = json.loads(_marker(data_dir).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _write_marker(path: Path, content: dict[str, Any]) -> None:
    """Replace the marker in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".tmp")
    draft.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8", newline="\n")
    draft.replace(path)


def _foreign_folders(data_dir: Path) -> list[Path]:
    """Source folders with files in them; without a marker they are not ours to replace."""
    folders = [data_dir / "landing" / source for source in SOURCES]
    return [folder for folder in folders if any(path.is_file() for path in folder.rglob("*"))]


def _make(data_dir: Path, wanted: dict[str, Any]) -> Made:
    """Make everything in a folder of its own, then swap it in."""
    from demo_company.build import build

    data_dir.mkdir(parents=True, exist_ok=True)
    workshop = Path(tempfile.mkdtemp(prefix=".demo_company_", dir=data_dir))
    try:
        made = build(workshop, wanted["scale"], wanted["seed"])
        _write_marker(_marker(workshop), {**wanted, "complete": True})
        # Should the swap be interrupted, this says that the folders are ours and have to be made again.
        _write_marker(_marker(data_dir), {**wanted, "complete": False})
        for source in SOURCES:
            _swap(workshop / "landing" / source, data_dir / "landing" / source, workshop)
        _swap(workshop / "demo_truth", data_dir / "demo_truth", workshop)
    finally:
        shutil.rmtree(workshop, ignore_errors=True)
    return made


def _swap(new: Path, place: Path, workshop: Path) -> None:
    """Put `new` into its place; what was there before goes with the workshop."""
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.exists():
        place.replace(workshop / f"old_{place.name}")
    new.replace(place)


def _summarise(data_dir: Path, scale: float, seed: int, made: Made) -> None:
    print(f"The demo company delivered {made.files:,} files with {made.rows:,} rows to {data_dir / 'landing'}")
    print(f"  ({made.orders:,} orders, 2024-01-01 to 2026-01-09, scale {scale:g}, seed {seed}).")
    print("Planted, each noted in planted.csv:")
    for kind, count in made.planted.items():
        print(f"  {kind:<24}{count:>8,}")
    print(f"The truth, {made.truth_rows:,} numbers, is in {data_dir / 'demo_truth' / 'truth.csv'}")


if __name__ == "__main__":
    sys.exit(main())
