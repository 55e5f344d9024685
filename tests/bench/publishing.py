"""Publishing an interval's flags beside a bare COPY of the same bytes, and what readers notice of it."""

import multiprocessing
import statistics
import time
from contextlib import closing
from io import BytesIO
from multiprocessing.connection import Connection

import psycopg2

from infra.local.postgres import PostgresServer, temporary_postgres
from infra.postgres.migrate import migrate
from infra.postgres.roles import OWNER
from ml.contracts.flags import FLAG_SCHEMA
from ml.flags.store import FlagStore
from ml.flags.thresholds import ThresholdStore
from ml.postgres import transaction
from tests.bench.flag_rows import every_second_below, many_flags
from tests.bench.rows import Row, alone, compare, rate, seconds
from tests.flag_rows import THRESHOLD, day, run_of

DATABASE = "trailguard"
DAYS = 29  # published before the measured one and unexpired, a hundredth of its flags each
LOOKUP = "PREPARE lookup (text) AS SELECT score, threshold, reason_codes FROM current_flag WHERE user_id = $1"
LOOK_UP = "EXECUTE lookup (%s)"
READS = 2000
BARE = "CREATE TABLE bare (LIKE user_flag INCLUDING DEFAULTS)"
CHECKED = "CREATE TABLE bare (LIKE user_flag INCLUDING DEFAULTS INCLUDING CONSTRAINTS)"
KEYED = "ALTER TABLE bare ADD PRIMARY KEY (user_id, interval_start)"


def measure(*, quick: bool) -> list[Row]:
    count, repetitions = (100_000, 3) if quick else (1_000_000, 5)
    with temporary_postgres() as server:
        shop = Shop(server, count)
        shop.publish()
        binary, text = (Peer(shop, form) for form in ("binary", "text"))

        def ours() -> float:
            return rate(shop.publish, count)

        return [
            compare(
                "publish_vs_copy", ours, lambda: count / binary.copy(BARE), unit="flags/s", repetitions=repetitions
            ),
            compare(
                "publish_vs_copy_checked_and_keyed",
                ours,
                lambda: count / binary.copy(CHECKED, KEYED),
                unit="flags/s",
                repetitions=(repetitions + 1) // 2,
            ),
            compare(
                "copy_binary_vs_text",
                lambda: count / binary.copy(BARE),
                lambda: count / text.copy(BARE),
                unit="flags/s",
                repetitions=(repetitions + 1) // 2,
            ),
            alone("publish_swap_ms", [shop.longest_wait() for _ in range(repetitions)], unit="ms"),
            alone("read_flag_ms", [shop.median_read() for _ in range(repetitions)], unit="ms"),
        ]


class Shop:
    """A month of published days, and one more to publish again and again: `count` flagged users."""

    def __init__(self, server: PostgresServer, count: int):
        migrate(server.dsn(OWNER, DATABASE))
        self.owner = server.dsn(OWNER, DATABASE)
        self.recommender = server.dsn("trailguard_recommender", DATABASE)
        self.store = FlagStore(server.dsn("trailguard_writer", DATABASE))
        ThresholdStore(self.store.url).record(THRESHOLD)
        for number in range(DAYS):  # the same users every day; the measured day clears every second
            run = run_of(day(number), count)
            self.store.publish(run, many_flags(run, count, count // 100), every_second_below)
        self.run = run_of(day(DAYS), 2 * count)
        self.flags = many_flags(self.run, 0, count)
        self.users = self.flags["user_id"][: 10 * READS].to_pylist()

    def publish(self) -> None:
        published = self.store.publish(self.run, self.flags, every_second_below)
        assert (published.active, published.cleared) == (len(self.flags), len(self.flags) // 200)

    def longest_wait(self) -> float:
        """Of a reader who looks one user up again and again while the day is published, in ms."""
        started = multiprocessing.get_context("spawn")
        here, there = started.Pipe()
        reader = started.Process(target=read_until_told, args=(self.recommender, self.users[0], there))
        reader.start()
        there.close()  # a reader that dies is then the end of what is received, not a wait for ever
        here.recv()
        self.publish()
        here.send("enough")
        longest, reads = here.recv()
        reader.join()
        assert reads > 1
        return longest

    def median_read(self) -> float:
        """Of READS users' flags, each looked up alone on one connection, in ms."""
        with closing(psycopg2.connect(self.recommender)) as session, session.cursor() as rows:
            session.autocommit = True
            rows.execute(LOOKUP)

            def look_up(user: str) -> None:
                rows.execute(LOOK_UP, [user])
                assert rows.fetchone()

            return 1000 * statistics.median(seconds(lambda u=user: look_up(u)) for user in self.users[::10])


class Peer:
    """COPY of the bytes of the published day's flags, cleared rows left out, into a table of its own."""

    def __init__(self, shop: Shop, form: str):
        self.owner, self.form, self.bytes = shop.owner, form, BytesIO()
        self.columns = ", ".join([*FLAG_SCHEMA.names, "expires_at"])
        with transaction(self.owner) as rows:
            rows.copy_expert(
                f"COPY (SELECT {self.columns} FROM user_flag WHERE state = 'active' AND interval_start ="
                f" '{shop.run.interval.start}') TO STDOUT WITH (FORMAT {form})",
                self.bytes,
            )

    def copy(self, *definition: str) -> float:
        """Seconds from the table's creation to the commit; frozen as ours is. A second definition follows the COPY."""
        first, *then = definition
        self.bytes.seek(0)
        with closing(psycopg2.connect(self.owner)) as session, session.cursor() as rows:
            began = time.perf_counter()
            rows.execute(first)
            rows.copy_expert(
                f"COPY bare ({self.columns}) FROM STDIN WITH (FORMAT {self.form}, FREEZE)", self.bytes, 1 << 20
            )
            for definition in then:
                rows.execute(definition)
            session.commit()
            took = time.perf_counter() - began
            rows.execute("DROP TABLE bare")
            session.commit()
        return took


def read_until_told(url: str, user: str, told: Connection) -> None:
    """Sends a word when it begins, and at the end the longest read in ms and how many there were."""
    with closing(psycopg2.connect(url)) as session, session.cursor() as rows:
        session.autocommit = True
        rows.execute(LOOKUP)
        rows.execute(LOOK_UP, [user])
        told.send("reading")
        taken = []
        while not told.poll():
            taken.append(seconds(lambda: rows.execute(LOOK_UP, [user])))
    told.send((1000 * max(taken), len(taken)))
