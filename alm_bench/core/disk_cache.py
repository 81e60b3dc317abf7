"""Disk cache of results that take long to compute. Its keys are hashes of the inputs."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from alm_bench.core.errors import StoreError

Value = bytes | str | float

KEYS_TOGETHER = 500
"""Largest number of keys in one query; SQLite allows at least 999."""

SECONDS = 60.0
"""Longest time in seconds to wait for another process to finish writing."""


class DiskCache:
    """Values by key in one SQLite file that several processes may share. The file is created when it is first used.

    A damaged file is replaced by an empty one. No connection stays open, so that objects with a cache can be pickled
    and copied.
    """

    def __init__(self, path: Path, table: str = "entries") -> None:
        """`table` is the name of the SQL table. It is not escaped, so it must be a plain identifier."""
        self.path, self._table = path, table

    def get(self, key: str) -> Value | None:
        """Return the value of a key; None if there is none. Raises StoreError if the file cannot be used."""
        with self._open_connection() as connection:
            row = connection.execute(f"SELECT value FROM {self._table} WHERE key = ?", (key,)).fetchone()
        return None if row is None else row[0]

    def put(self, key: str, value: Value) -> None:
        """Store a value. Raises StoreError if it cannot be stored."""
        with self._open_connection() as connection:
            connection.execute(f"INSERT OR REPLACE INTO {self._table} VALUES (?, ?)", (key, value))

    def get_many(self, keys: Sequence[str]) -> dict[str, Value]:
        """Return the values of those keys that have one. Raises StoreError if the file cannot be used."""
        found: dict[str, Value] = {}
        with self._open_connection() as connection:
            for start in range(0, len(keys), KEYS_TOGETHER):
                part = keys[start : start + KEYS_TOGETHER]
                marks = ",".join("?" * len(part))
                found |= connection.execute(f"SELECT key, value FROM {self._table} WHERE key IN ({marks})", part)
        return found

    def put_many(self, values: Mapping[str, Value]) -> None:
        """Store values by key, all of them or none. Raises StoreError if they cannot be stored."""
        with self._open_connection() as connection:
            connection.executemany(f"INSERT OR REPLACE INTO {self._table} VALUES (?, ?)", list(values.items()))

    @contextmanager
    def _open_connection(self) -> Iterator[sqlite3.Connection]:
        """Provide an open connection for the duration of the block. Raises StoreError if the file cannot be used."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            try:
                connection = self._create_connection()
            except sqlite3.OperationalError:
                raise
            except sqlite3.DatabaseError:  # not a database, or one damaged by a crash of the machine
                self.path.unlink(missing_ok=True)
                connection = self._create_connection()
            try:
                with connection:
                    yield connection
            finally:
                connection.close()
        except (OSError, sqlite3.Error) as error:
            raise StoreError(
                f"the cache {self.path} cannot be used ({error}): name another with ALM_BENCH_CACHE"
            ) from error

    def _create_connection(self) -> sqlite3.Connection:
        """Return a new connection to the file, with the table created if necessary."""
        connection = sqlite3.connect(self.path, timeout=SECONDS)
        try:
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(f"CREATE TABLE IF NOT EXISTS {self._table} (key TEXT PRIMARY KEY, value NOT NULL)")
            connection.commit()
        except BaseException:
            connection.close()
            raise
        return connection
