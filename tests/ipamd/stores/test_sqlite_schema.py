"""Files of every schema version: older ones are migrated, newer ones refused."""

from pathlib import Path

import apsw
import pytest

from ipamd.errors import StartError
from ipamd.stores.sqlite import SqliteStore
from ipamd.stores.sqlite_schema import MIGRATIONS, migrate


def test_a_new_file_gets_the_newest_schema(tmp_path: Path) -> None:
    connection = apsw.Connection(str(tmp_path / "store.sqlite"))
    migrate(connection)

    assert connection.pragma("user_version") == len(MIGRATIONS)


def test_a_file_of_the_newest_schema_stays_as_it_is(tmp_path: Path) -> None:
    connection = apsw.Connection(str(tmp_path / "store.sqlite"))
    migrate(connection)
    connection.execute("UPDATE meta SET value = 7 WHERE name = 'revision'")
    migrate(connection)

    assert connection.execute("SELECT value FROM meta WHERE name = 'revision'").get == 7


def test_a_file_of_a_newer_schema_is_refused_and_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    connection = apsw.Connection(str(path))
    connection.pragma("user_version", len(MIGRATIONS) + 1)
    connection.close()

    with pytest.raises(StartError, match="schema version"):
        SqliteStore(path)
    assert apsw.Connection(str(path)).pragma("user_version") == len(MIGRATIONS) + 1
