"""The commands of `spm`, a module a group."""
