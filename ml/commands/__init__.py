"""The command line: one command for each stage, in the order data travels.

A command reads the settings, calls the library and prints one JSON object on its last line. Libraries are imported
inside the commands, so that `--help` answers at once and a stage pays only for what it uses.
"""
