"""view: let a server block answer only the queries that its expressions are true of.

Syntax:
    view NAME {
        expr EXPRESSION     # of the expr language, over the query; all of them must be true
    }

Functions: bufsize, class, client_ip, do, id, name, opcode, port, proto, server_ip, server_port, size, type,
incidr(IP, CIDR), metadata(LABEL). Blocks with a view may share zone and port; the first that admits a query answers it.
An expression that fails, or is anything but true, admits nothing.
"""

from collections.abc import Mapping
from functools import partial

from kdns.chain import Handler, Reply, Request
from kdns.corefile import Args
from kdns.errors import EvaluationError
from kdns.expression.compiler import Program, compiled
from kdns.expression.query import SCOPE, frame


class View:
    """The filter of one server block."""

    def __init__(self, name: str, programs: tuple[Program, ...]) -> None:
        self.name = name
        self._programs = programs

    async def __call__(self, request: Request, rest: Handler) -> Reply:
        """The reply from below: the choice was made before."""
        return await rest(request)

    def admits(self, request: Request) -> bool:
        """Whether the block answers this query."""
        known = frame(request)
        try:
            return all(program.run(known) is True for program in self._programs)
        except EvaluationError:
            return False

    def labels(self, request: Request) -> Mapping[str, str]:
        """For metadata: the view's name."""
        return {"view/name": self.name}


def setup(args: Args) -> View:
    """The filter of one server block. ConfigError for an expression that does not compile."""
    directive = args.once()
    (name,) = directive.expect(1)
    programs = []
    for line in directive.lines:
        if line.name != "expr":
            raise line.error(f"unknown property '{line.name}'")
        programs.append(line.read(" ".join(line.args), partial(compiled, scope=SCOPE)))
    return View(name, tuple(programs))
