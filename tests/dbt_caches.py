"""Makes dbt keep what it makes of a text for as long as the process lives: most texts are the same in all projects.

Without this, dbt reads its own macros again for each project, and compiles a model from Jinja to Python when it parses
it and whenever it builds it.
"""

from types import CodeType
from typing import Any

from dbt_common.clients.jinja import MacroFuzzEnvironment
from dbt_common.tests import enable_test_caching

_COMPILED: dict[tuple[type, str], CodeType] = {}
_compile = MacroFuzzEnvironment.compile


def enable() -> None:
    """Enable dbt's own caches for tests, and one for compiled texts, which dbt lacks."""
    enable_test_caching()
    MacroFuzzEnvironment.compile = _compile_or_recall


def _compile_or_recall(self: MacroFuzzEnvironment, source: str) -> Any:
    """Jinja's `compile` as dbt calls it. What comes of a text depends on the class of the environment alone."""
    key = type(self), source
    if key not in _COMPILED:
        _COMPILED[key] = _compile(self, source)
    return _COMPILED[key]
