"""Compile what is written in C when the package is built, if a compiler is there; else the wheel is pure Python.

Each row of NATIVE is a C file and what comes of it: a module for the interpreter that builds, or a program. Whatever
goes wrong is shown and costs nothing else: the package does everything without them.
"""

import os
import shlex
import subprocess
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FLAGS = ("-O2", "-Wall", "-fstack-protector-strong", "-D_FORTIFY_SOURCE=2")
SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")
MODULE = ("-shared", "-fPIC", f"-I{sysconfig.get_paths()['include']}")
NATIVE: Sequence[tuple[str, str, Sequence[str]]] = (
    ("kdns/wire/sections.c", f"kdns/wire/sections{SUFFIX}", MODULE),
    ("kdns/transport/drain.c", f"kdns/transport/drain{SUFFIX}", MODULE),
    ("ipamd/cni/executable.c", "ipamd/cni/executable", ()),
)


class CustomBuildHook(BuildHookInterface):  # type: ignore[type-arg]  # hatchling looks for this name
    """The hook that hatchling calls; see [tool.hatch.build.hooks.custom]."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and have the wheel say for which interpreter it is if anything came of it."""
        root = Path(self.root)
        made = [target for source, target, flags in NATIVE if self._compile(root / source, root / target, flags)]
        if made:
            build_data.update(pure_python=False, infer_tag=True)
            build_data["artifacts"].extend(made)

    def _compile(self, source: Path, target: Path, flags: Sequence[str]) -> bool:
        command = [*shlex.split(os.environ.get("CC", "cc")), *FLAGS, *flags, str(source), "-o", str(target)]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True)
        except FileNotFoundError:
            self.app.display_info(f"no C compiler: {target.name} is left out")
        except subprocess.CalledProcessError as failure:
            self.app.display_warning(f"{target.name} is left out:\n{failure.stderr}")
        else:
            return True
        return False
