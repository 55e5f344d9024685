"""Named faults, injected into a running stack, and the one check that follows each: `python -m tests.fault`."""
