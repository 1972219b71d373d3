"""`python -m demo_company`: creates the demo company's deliveries and its truth, unless they already exist.

With `--days` it delivers further days, one call after the other, with late or broken files on request.

Belongs here: the command line, and moving finished folders into place so that nobody ever sees incomplete folders.
Does not belong here: creating their contents (build), which is imported only if there is something to create.
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
SCALE, SEED = 1.0, 20240101  # the defaults
LARGEST_WITH_TRUTH = 10  # the truth takes 0.3 GB of memory per unit of scale, the rest no more than at scale 1


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return the exit code."""
    asked = _parse(arguments)
    data_dir: Path = asked.data_dir
    found = _read_marker(data_dir)
    # A company that already exists keeps its size.
    known = found if asked.days is not None and found else {}
    scale = asked.scale if asked.scale is not None else float(known.get("scale", SCALE))
    seed = asked.seed if asked.seed is not None else int(known.get("seed", SEED))
    truth = asked.truth if asked.truth is not None else known.get("truth", scale <= LARGEST_WITH_TRUTH)
    wanted = {"scale": scale, "seed": seed, "generator_version": GENERATOR_VERSION, "truth": truth}
    if _is_there(data_dir, found, wanted):
        if asked.days is None:
            print(f"The demo company already exists: {data_dir} (scale {scale:g}, seed {seed}).")
    elif found is None and (foreign := _foreign_folders(data_dir)):
        print(
            f"{', '.join(map(str, foreign))}: contains files that the demo company did not create, so nothing was "
            "changed. Move it away, or choose another folder with --data-dir.",
            file=sys.stderr,
        )
        return 1
    else:
        _summarise(data_dir, scale, seed, _make(data_dir, wanted))
    return 0 if asked.days is None else _deliver_more(data_dir, wanted, asked)


def _is_there(data_dir: Path, found: dict[str, Any] | None, wanted: dict[str, Any]) -> bool:
    if found is None or not all((data_dir / "landing" / source).is_dir() for source in SOURCES):
        return False
    same = {**found, **wanted, "complete": True, "truth": found.get("truth")} == found
    return same and (found["truth"] or not wanted["truth"])


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m demo_company",
        description="Make the demo company's raw deliveries and the truth about its KPIs. Same seed, same files.",
    )
    parser.add_argument("--scale", type=_scale, help="size; 1 is about 100,000 orders (default 1)")
    parser.add_argument("--seed", type=_seed, help=f"seed of all random numbers (default {SEED})")
    parser.add_argument(
        "--data-dir",
        type=Path,
        default=Path(os.environ.get("DATA_DIR") or "data"),
        help="where landing/ and demo_truth/ go (default: $DATA_DIR, else data)",
    )
    parser.add_argument(
        "--truth",
        action=argparse.BooleanOptionalAction,
        help="whether to compute the truth, which takes 0.3 GB of memory per unit of scale; the files take 0.6 GB at "
        f"any scale (default: up to scale {LARGEST_WITH_TRUTH})",
    )
    parser.add_argument(
        "--days",
        type=int,
        metavar="N",
        help="deliver the N days after the last one, and what was late or broken before; 0 delivers only that",
    )
    for name, what in (("late", "does not arrive"), ("broken", "arrives without its keys")):
        parser.add_argument(
            f"--{name}",
            action="append",
            default=[],
            metavar="TABLE",
            help=f"with --days: the last day's file of this table, such as ads.spend, {what} before the next call",
        )
    asked = parser.parse_args(arguments)
    if (asked.late or asked.broken) and not asked.days:
        parser.error("--late and --broken affect the last of the days that --days delivers: give --days, too.")
    if asked.days is not None and asked.days < 0:
        parser.error(f"--days must not be negative, and is {asked.days}.")
    return asked


def _scale(text: str) -> float:
    scale = float(text)
    if not SMALLEST_SCALE <= scale <= 1_000:
        raise argparse.ArgumentTypeError(f"must be between {SMALLEST_SCALE} and 1000, not {text}")
    return scale


def _seed(text: str) -> int:
    seed = int(text)
    if seed < 0:
        raise argparse.ArgumentTypeError(f"must not be negative, and is {text}")
    return seed


def _marker(data_dir: Path) -> Path:
    return data_dir / "demo_truth" / "demo.json"


def _read_marker(data_dir: Path) -> dict[str, Any] | None:
    """The parameters with which the existing files were created; None if there is no demo company yet."""
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
    """Source folders that contain files. Without a marker, they are not ours to replace."""
    folders = [data_dir / "landing" / source for source in SOURCES]
    return [folder for folder in folders if any(path.is_file() for path in folder.rglob("*"))]


def _make(data_dir: Path, wanted: dict[str, Any]) -> Made:
    """Create everything in a separate folder, then swap it in."""
    from demo_company.build import build

    data_dir.mkdir(parents=True, exist_ok=True)
    workshop = Path(tempfile.mkdtemp(prefix=".demo_company_", dir=data_dir))
    try:
        made = build(workshop, wanted["scale"], wanted["seed"], truth=wanted["truth"])
        _write_marker(_marker(workshop), {**wanted, "complete": True})
        # If the swap is interrupted, this says that the folders are ours and must be created again.
        _write_marker(_marker(data_dir), {**wanted, "complete": False})
        for source in SOURCES:
            _swap(workshop / "landing" / source, data_dir / "landing" / source, workshop)
        _swap(workshop / "demo_truth", data_dir / "demo_truth", workshop)
    finally:
        shutil.rmtree(workshop, ignore_errors=True)
    return made


def _deliver_more(data_dir: Path, wanted: dict[str, Any], asked: argparse.Namespace) -> int:
    """Deliver further days. The marker records how many there are, and which files are still owed."""
    from demo_company.build import Next, NothingToSpoilError, build_next
    from demo_company.next_days import MOST_DAYS
    from demo_company.tables import TABLES

    marker = _read_marker(data_dir) or {}
    before = int(marker.get("days", 0))
    if before + asked.days > MOST_DAYS:
        print(
            f"The demo company has {MOST_DAYS} more days in all; {before} of them have been delivered.", file=sys.stderr
        )
        return 1
    if unknown := [name for name in (*asked.late, *asked.broken) if name not in TABLES]:
        print(f"{', '.join(unknown)}: not a table. The tables are {', '.join(TABLES)}.", file=sys.stderr)
        return 1
    owed = [(name, day) for name, day in marker.get("owed", [])]
    next_ = Next(before, asked.days, asked.late, asked.broken, owed)
    workshop = Path(tempfile.mkdtemp(prefix=".demo_company_", dir=data_dir))
    try:
        rows = build_next(workshop, wanted["scale"], wanted["seed"], next_, truth=wanted["truth"])
        files = sorted(path for path in workshop.rglob("*") if path.is_file())
        for path in files:
            place = data_dir / path.relative_to(workshop)
            place.parent.mkdir(parents=True, exist_ok=True)
            path.replace(place)
    except NothingToSpoilError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(workshop, ignore_errors=True)
    if not wanted["truth"]:
        for name in ("truth.csv", "targets.csv"):  # of the days before
            (data_dir / "demo_truth" / name).unlink(missing_ok=True)
    last_day = str(next_.last_day)
    owed_now = [(name, last_day) for name in (*asked.late, *asked.broken)]
    more = {"days": before + asked.days, "last_day": last_day, "owed": owed_now}
    _write_marker(_marker(data_dir), {**wanted, "complete": True, **more})
    delivered = len([path for path in files if "landing" in path.relative_to(workshop).parts])
    files_of = "1 file" if delivered == 1 else f"{delivered} files"
    print(f"The demo company delivered {files_of} with {rows:,} rows; its last day is now {last_day}.")
    for name, day in owed:
        print(f"  {name} of {day} has arrived in its correct form.")
    for name in asked.late:
        print(f"  {name} of {last_day} is late: it arrives with the next call.")
    for name in asked.broken:
        print(f"  {name} of {last_day} is broken: no row has its key. The correct file arrives with the next call.")
    return 0


def _swap(new: Path, place: Path, workshop: Path) -> None:
    """Move `new` to `place`. What was there before is deleted together with the workshop."""
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.exists():
        place.replace(workshop / f"old_{place.name}")
    new.replace(place)


def _summarise(data_dir: Path, scale: float, seed: int, made: Made) -> None:
    print(f"The demo company delivered {made.files:,} files with {made.rows:,} rows to {data_dir / 'landing'}")
    print(f"  ({made.orders:,} orders, 2024-01-01 to 2026-01-09, scale {scale:g}, seed {seed}).")
    print("Planted faults and oddities, each listed in planted.csv:")
    for kind, count in made.planted.items():
        print(f"  {kind:<24}{count:>8,}")
    if made.truth_rows:
        print(f"The true KPI values, {made.truth_rows:,} numbers, are in {data_dir / 'demo_truth' / 'truth.csv'}")
    else:
        print("The true KPI values were not computed; --truth computes them.")


if __name__ == "__main__":
    sys.exit(main())
