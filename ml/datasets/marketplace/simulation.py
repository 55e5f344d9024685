"""Plays a world and writes its files."""

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np

from ml.datasets.marketplace import attacks, browsing, choosing, sessions, shoppers
from ml.datasets.marketplace.aftermath import Trail, play_out
from ml.datasets.marketplace.campaigns import plot
from ml.datasets.marketplace.catalogue import Catalogue, stock
from ml.datasets.marketplace.draws import Stream, stream
from ml.datasets.marketplace.families import Plan, Scene
from ml.datasets.marketplace.shop_files import Spill, write_days
from ml.datasets.marketplace.shop_rows import EVENT_TIME, VERDICT_TIME, event_rows, verdict_rows
from ml.datasets.marketplace.verdicts import LATEST_DAYS, Verdicts, judge
from ml.datasets.marketplace.world import Summary, World
from ml.errors import TrailguardError

CHUNK = 10_000  # shoppers simulated at a time; part of what a seed means


class FolderTaken(TrailguardError):
    """The folder holds files that the simulator did not write.

    Choose an empty folder.
    """


def simulate(world: World, folder: Path) -> Summary:
    """Writes folder/events/YYYY-MM-DD.csv.gz, folder/labels/YYYY-MM-DD.csv.gz and folder/world.json.

    A label lies in the file of the day it became known, up to a fortnight after the last event; each day has its files,
    if only with a header. The same world gives
    the same bytes; an earlier world in the folder is replaced. Memory holds CHUNK shoppers or one day.
    Raises FolderTaken.
    """
    unfinished = _make_room(folder)
    catalogue, family = stock(world), shoppers.cast(world)
    events, labels = Spill(unfinished / "event-rows", EVENT_TIME), Spill(unfinished / "label-rows", VERDICT_TIME)
    counted = Counter()
    for chunk, (scene, trail, verdicts) in enumerate(play(world, catalogue, family)):
        rows = event_rows(world, catalogue, scene.shoppers.number, chunk, trail)
        events.add(chunk, rows)
        labels.add(chunk, verdict_rows(world, rows, scene.shoppers.number, verdicts))
        counted.update(events=len(trail), labels=len(verdicts.known))
    lines = write_days(world, events, unfinished / "events", world.days, dirt=world.dirt)
    write_days(world, labels, unfinished / "labels", world.days + LATEST_DAYS)
    _publish(world, unfinished, folder)
    return Summary(counted["events"], lines, counted["labels"], _population(world, family))


def play(world: World, catalogue: Catalogue, family: np.ndarray) -> Iterator[tuple[Scene, Trail, Verdicts]]:
    """What really happens, a chunk of shoppers at a time; family: (shoppers,) as `cast` dealt it."""
    campaigns = plot(world, catalogue)
    for chunk, first in enumerate(range(0, world.shoppers, CHUNK)):
        rng = stream(world.seed, Stream.CHUNK, chunk)
        people = shoppers.meet(world, catalogue, family[first : first + CHUNK], first, rng)
        planned = sessions.plan(world, catalogue, people, attacks.least_sessions(world, people), rng)
        attacks.plan_attacks(Plan(world, catalogue, campaigns, people, planned, rng))
        steps, slots = browsing.browse(people, planned, rng)
        item = choosing.choose_items(catalogue, people, planned, slots, rng)
        gap = choosing.take_time(people, planned, steps, rng)
        misdeed = np.zeros(len(steps), bool)
        scene = Scene(world, catalogue, campaigns, people, planned, rng, steps, slots, item, gap, misdeed)
        attacks.commit(scene)
        trail = play_out(scene)
        yield scene, trail, judge(scene, trail)


def _population(world: World, family: np.ndarray) -> dict[str, int]:
    return {
        name: int((family == index).sum()) for index, name in [(shoppers.HONEST, "honest"), *enumerate(world.families)]
    }


def _make_room(folder: Path) -> Path:
    """Where to write until all is written. An earlier world stays whole until then."""
    folder.mkdir(parents=True, exist_ok=True)
    visible = [path for path in folder.iterdir() if not path.name.startswith(".")]
    if visible and not (folder / "world.json").exists():
        raise FolderTaken(folder=folder)
    unfinished = folder / ".unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    return unfinished


def _publish(world: World, unfinished: Path, folder: Path) -> None:
    (folder / "world.json").write_text(json.dumps(asdict(world), default=str, indent=2) + "\n")
    for name in ("events", "labels"):
        shutil.rmtree(folder / name, ignore_errors=True)
        os.replace(unfinished / name, folder / name)
    shutil.rmtree(unfinished)
