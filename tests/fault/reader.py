"""A recommender that reads all current flags over and over while a fault strikes, and remembers what it was shown."""

import threading
from contextlib import closing
from time import sleep

import psycopg2

SHOWN = """
    SELECT md5(string_agg(concat_ws(' ', user_id, interval_start, score, threshold, rank), ',' ORDER BY user_id))
    FROM current_flag"""
PAUSE = 0.1


class Recommender:
    """Within `with`, reads. A database that is away is waited for.

    seen: what was shown, each state once.
    """

    def __init__(self, address: str):
        self.address, self.seen, self.reads = address, [], 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._read)

    def __enter__(self) -> "Recommender":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _read(self) -> None:
        while not self._over.is_set():
            try:
                with closing(psycopg2.connect(self.address)) as session:
                    session.autocommit = True
                    while not self._over.wait(PAUSE):
                        self._look(session)
            except psycopg2.Error:
                sleep(PAUSE)

    def _look(self, session) -> None:
        with session.cursor() as rows:
            rows.execute(SHOWN)
            (shown,) = rows.fetchone()
        self.reads += 1
        if shown not in self.seen:
            self.seen.append(shown)


def shown_now(address: str) -> str:
    with closing(psycopg2.connect(address)) as session, session.cursor() as rows:
        rows.execute(SHOWN)
        return rows.fetchone()[0]
