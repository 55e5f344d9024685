"""Free ports on the loopback interface."""

import secrets
import socket
from collections.abc import Collection

LOOPBACK = "127.0.0.1"
BELOW_EPHEMERAL = range(20_000, 32_000)  # Linux gives outgoing connections 32768 and above


def is_free(port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def free_port(preferred: int = 0, taken: Collection[int] = ()) -> int:
    """The preferred port when nobody listens there, else one drawn at random that is not among those `taken`.

    A stack's servers listen only seconds after their ports were chosen. Two stacks that start together therefore must
    not both reach for the same well-known ones, nor may an outgoing connection be given one meanwhile.
    """
    port = preferred or secrets.choice(BELOW_EPHEMERAL)
    while port in taken or not is_free(port):
        port = secrets.choice(BELOW_EPHEMERAL)
    return port
