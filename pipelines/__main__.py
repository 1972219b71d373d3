"""What the `kpi` command starts; `python -m pipelines` is the same.

Belongs here: that whoever interrupts the command while it loads is answered in words, too.
Does not belong here: anything else (`cli.py`).
"""

import sys


def main() -> None:
    """Entry point of the `kpi` command."""
    try:
        from pipelines import cli
    except KeyboardInterrupt:
        print("Interrupted before anything was done.", file=sys.stderr)
        sys.exit(130)
    cli.main()


if __name__ == "__main__":
    main()
