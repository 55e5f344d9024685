"""Strikes a process of the stack at a named moment: when it calls, for the n-th time, a function of the product.

The order, a JSON file, says of which program (`module`, `stage`), at which calls (`at`: place and number, one after
another; no place: as the process starts), on which side of the last call (`after`), and what happens (`act`). Whoever
strikes first renames the file to struck.json, so that each order strikes once and the test can tell that it did.
"""

import ctypes
import errno
import functools
import importlib.abc
import importlib.util
import json
import os
import signal
import sys
import time

rename = os.rename  # a fault may be about to befall it
NEW_NAMESPACE, NEW_USER, BIND, REMOUNT, READ_ONLY = 0x20000, 0x10000000, 4096, 32, 1


def prepare(path: str) -> None:
    try:
        with open(path) as file:
            order = json.load(file)
    except FileNotFoundError:
        return  # another process has struck meanwhile
    program = f"-m {order['module']} {order['stage']}"
    if program not in " ".join(sys.orig_argv):
        return
    strike = functools.partial(_strike, path, order)
    left = [list(call) for call in order["at"]]
    if not left:
        strike()
    for place in {place for place, _ in left}:
        _watch(place, left, order, strike)


def _watch(place: str, left: list, order: dict, strike) -> None:
    module, _, name = place.partition(":")

    def wrap() -> None:
        *owners, last = name.split(".")
        owner = functools.reduce(getattr, owners, sys.modules[module])
        original = getattr(owner, last)

        @functools.wraps(original)
        def watched(*arguments, **named):
            if not left or left[0][0] != place:
                return original(*arguments, **named)
            left[0][1] -= 1
            if left[0][1] == 0:
                left.pop(0)
            elif left:
                return original(*arguments, **named)
            if left or order["after"]:
                found = original(*arguments, **named)
                if not left:
                    strike(arguments)
                return found
            strike(arguments)
            return original(*arguments, **named)

        setattr(owner, last, watched)

    if module in sys.modules:
        wrap()
    else:
        sys.meta_path.insert(0, _Once(module, wrap))


class _Once(importlib.abc.MetaPathFinder):
    """Lets a module be found as always and, once it is imported, is done."""

    def __init__(self, module: str, then):
        self.module, self.then = module, then

    def find_spec(self, name, path=None, target=None):
        if name != self.module:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        load = spec.loader.exec_module

        def load_and(module) -> None:
            load(module)
            self.then()

        spec.loader.exec_module = load_and
        return spec


def _strike(path: str, order: dict, arguments: tuple = ()) -> None:
    try:
        rename(path, os.path.join(os.path.dirname(path), "striking.json"))
    except FileNotFoundError:
        return  # another process has
    order["pid"] = os.getpid()
    struck = os.path.join(os.path.dirname(path), "struck.json")
    with open(f"{struck}.new", "w") as file:
        json.dump(order, file)
    rename(f"{struck}.new", struck)
    ACTS[order["act"]](order, arguments)


def _kill(order: dict, arguments: tuple) -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)  # a signal to oneself arrives a moment later


def _tear(order: dict, arguments: tuple) -> None:
    """The file that was just written loses its second half, as if the process had died while it wrote."""
    for value in arguments:
        if hasattr(value, "flush"):
            value.flush()
    names = (value if isinstance(value, os.PathLike) else getattr(value, "name", value) for value in arguments)
    written = next(name for name in names if isinstance(name, str | os.PathLike))
    os.truncate(written, os.path.getsize(written) // 2)
    _kill(order, arguments)


def _hold(order: dict, arguments: tuple) -> None:
    """Stands still until somebody continues it."""
    os.kill(os.getpid(), signal.SIGSTOP)


def _error(order: dict, arguments: tuple) -> None:
    number = getattr(errno, order["error"])
    raise OSError(number, os.strerror(number))


def _read_only(order: dict, arguments: tuple) -> None:
    _own_mounts()
    _mount(order["folder"], order["folder"], None, BIND)
    _mount(None, order["folder"], None, BIND | REMOUNT | READ_ONLY)


def _full(order: dict, arguments: tuple) -> None:
    """A disk of the size given, in bytes, lies over the folder."""
    os.makedirs(order["folder"], exist_ok=True)
    _own_mounts()
    _mount("tmpfs", order["folder"], "tmpfs", 0, f"size={order['size']}")


def _own_mounts() -> None:
    """What this process mounts, no other sees."""
    user, group = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(NEW_NAMESPACE) and libc.unshare(NEW_NAMESPACE | NEW_USER):
        raise OSError(ctypes.get_errno(), "no mounts of one's own here")
    if os.geteuid() != user:  # in a namespace of users: be whom one was
        for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text)
    _mount(None, "/", None, 0x40000 | 0x4000)  # private, and all below it


def _mount(source: str | None, target: str, kind: str | None, flags: int, options: str | None = None) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    words = [word.encode() if word else None for word in (source, target, kind)]
    if libc.mount(*words, flags, options.encode() if options else None):
        raise OSError(ctypes.get_errno(), f"mount {target}")


ACTS = {"kill": _kill, "tear": _tear, "hold": _hold, "error": _error, "read_only": _read_only, "full": _full}
