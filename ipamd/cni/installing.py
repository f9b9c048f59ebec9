"""Put the executable where container runtimes look for plugins.

Strategy: the one that was compiled with the package, or else one that is compiled now, or else the script. It is
written beside its place and renamed, so that a runtime never executes half of it.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from ipamd.errors import Misused

NAME = "ipamd"  # what `ipam.type` says
HERE = Path(__file__).parent
COMPILED = HERE / "executable"
SOURCE = HERE / "executable.c"
SCRIPT = HERE / "executable.py"
SYSTEMS_PYTHON = Path("/usr/bin/python3")
FLAGS = ("-O2", "-Wall")
MODE = 0o755


def install(directory: Path, compiled: Path = COMPILED) -> str:
    """Install the executable, and say what it is. Raises Misused if the directory cannot be written."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=directory, prefix=".ipamd-") as place:
            made = Path(place) / NAME
            what = make(made, compiled)
            made.chmod(MODE)
            made.rename(directory / NAME)
    except OSError as error:
        raise Misused(f"cannot install into {directory}: {error.strerror or error}") from error
    return what


def make(target: Path, compiled: Path) -> str:
    """Make the executable at that path, the best that can be had, and say what it is."""
    if compiled.exists():
        shutil.copyfile(compiled, target)
        return "compiled with the package"
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is not None:
        command = [compiler, *FLAGS, "-o", str(target), str(SOURCE)]
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:
            return "compiled now"
    interpreter = SYSTEMS_PYTHON if SYSTEMS_PYTHON.exists() else Path(sys.executable)
    # One word for both options, since the kernel does not part them: nothing of the user's, and nothing of the site's.
    target.write_bytes(f"#!{interpreter} -IS\n".encode() + SCRIPT.read_bytes())
    return "a script: no C compiler was found, and it starts ten times as slowly"
