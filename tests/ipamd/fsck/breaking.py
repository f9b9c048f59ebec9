"""Breaking a store on purpose, behind the back of whoever has it open."""

from pathlib import Path

import apsw


def tamper(path: Path, *statements: str) -> None:
    """Carry out SQL on the file of a store."""
    connection = apsw.Connection(str(path))
    connection.set_busy_timeout(5000)
    for statement in statements:
        connection.execute(statement)
    connection.close()
