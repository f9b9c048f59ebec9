"""Where a command's result goes: text for people, or JSON for programs."""

import json
import sys
from typing import TextIO

from ipamd.json import Json


class Output:
    """Prints either kind. `form` is what `-o` names: table, wide or json."""

    def __init__(self, form: str, to: TextIO = sys.stdout) -> None:
        self.form = form
        self._to = to

    @property
    def is_terminal(self) -> bool:
        """Whether somebody is looking."""
        return self._to.isatty()

    def json(self, document: Json) -> bool:
        """Print the document if JSON is wanted, and say whether it is."""
        if self.form == "json":
            print(json.dumps(document, indent=2), file=self._to)
        return self.form == "json"

    def json_line(self, document: Json) -> None:
        """Print the document on one line, for a stream of them."""
        print(json.dumps(document), file=self._to, flush=True)

    def text(self, line: str) -> None:
        """Print text."""
        print(line, file=self._to, flush=True)
