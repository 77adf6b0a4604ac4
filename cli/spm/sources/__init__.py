"""Where skills come from: a registry, a git repository, a folder."""
