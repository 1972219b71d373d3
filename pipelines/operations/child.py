"""Runs a module that ends with the process that started it, even if that process is killed.

Belongs here: looking whether that process still exists. Does not belong here: which modules are run (`dev.py`).

    python -m pipelines.operations.child <process to end with> <module> <its arguments>
"""

import os
import runpy
import signal
import sys
import threading
import time


def main(parent: str, module: str, *arguments: str) -> None:
    """Run `module` as `python -m` does, and interrupt it as soon as `parent` is gone."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # whoever started the other process may have had it ignore this
    threading.Thread(target=_end_with, args=(int(parent),), daemon=True).start()
    sys.argv[1:] = arguments
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main(*sys.argv[1:])
