"""Fuzzing of what reads foreign bytes, with atheris; no part of the test suite.

``python -m tests.fuzz TARGET [--seconds N]`` in an environment that has atheris. The
targets are the modules ``fuzz_*``: each has seeds, made of the vectors, and a function
that takes any bytes and may raise nothing.
"""
