"""The modules in C, compiled for the tests, which need them also where the package was installed without."""

import subprocess
import sys
import sysconfig
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import kdns.transport

SOURCE = Path(kdns.transport.__file__).with_name("drain.c")
STRICT = ("-Wall", "-Wextra", "-Wno-missing-field-initializers", "-Wno-cast-function-type", "-Werror")


def compiled(directory: Path, *flags: str, source: Path = SOURCE) -> Path:
    """The module's file in `directory`. AssertionError, with what the compiler says, if it warns of anything."""
    target = directory / f"{source.stem}{sysconfig.get_config_var('EXT_SUFFIX')}"
    include = f"-I{sysconfig.get_paths()['include']}"
    command = ["cc", "-shared", "-fPIC", *STRICT, *flags, include, str(source), "-o", str(target)]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    return target


def loaded(file: Path) -> ModuleType:
    """The module of that file."""
    spec = spec_from_file_location(file.name.partition(".")[0], file)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def sanitized(directory: Path, text: str, module: str, source: Path = SOURCE) -> str:
    """What a script prints in which `module` stands for {module}, under the address sanitizer.

    {file} in `module` is the file of the module compiled from `source`. AssertionError if the script fails.
    """
    flags = "-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"
    file = compiled(directory, *flags, source=source)
    library = subprocess.run(["cc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True)
    script = directory / "fuzz.py"
    script.write_text(text.format(tests=str(Path(__file__).parents[3]), module=module.format(file=repr(str(file)))))
    environment = {"LD_PRELOAD": library.stdout.strip(), "ASAN_OPTIONS": "detect_leaks=0", "PYTHONMALLOC": "malloc"}
    said = subprocess.run([sys.executable, str(script)], env=environment, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    return said.stdout
