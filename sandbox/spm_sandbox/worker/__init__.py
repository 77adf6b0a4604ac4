"""The program inside the sandbox.

It runs under ``python -I -S`` with only the standard library, is written into each
sandbox from memory, and trusts the host side, which does not trust it.
"""
