"""The modules that are written in C: called if a compiler was at hand when this was installed, and it was this version.

Each has a twin in Python, which does the same without it.
"""

from importlib import import_module
from typing import Any

UNUSED: list[str] = []  # why a module that is there is not called


def found(name: str, interface: int) -> Any:
    """The module of this name, or None. `interface` is that of the source here: its callers know of no other one."""
    try:
        module = import_module(name)
    except ModuleNotFoundError:  # no compiler was there, or none that could
        return None
    except ImportError as fault:
        UNUSED.append(str(fault))
        return None
    if getattr(module, "INTERFACE", None) == interface:
        return module
    UNUSED.append(f"{module.__file__} was compiled from the source of another version; install kdns anew")
    return None
