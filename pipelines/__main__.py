"""What the `kpi` command starts; `python -m pipelines` is the same.

Belongs here: that whoever interrupts the command while it loads is answered in words, too, and how often Python looks
for garbage.
Does not belong here: anything else (`cli/`).
"""

import gc
import sys


def main() -> None:
    """Entry point of the `kpi` command."""
    try:
        gc.disable()  # what is imported stays: looking at it takes a tenth of a short command's time
        from pipelines import cli

        gc.freeze()
        gc.set_threshold(100_000, 20, 20)  # a run hardly makes garbage, and looked for it 3,750 times
        gc.enable()
    except KeyboardInterrupt:
        print("Interrupted before anything was done.", file=sys.stderr)
        sys.exit(130)
    cli.main()


if __name__ == "__main__":
    main()
