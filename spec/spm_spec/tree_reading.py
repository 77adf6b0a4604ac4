"""From directories back to trees, without walking what appears twice twice.

Directories name each other by digest, so that a few of them can describe a tree of
any number of files. What a tree holds is therefore summed up once for each distinct
directory, and held against the caps before anything is unfolded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from spm_spec.tree import Tree, TreeFile
from spm_spec.tree_directory import Kind, Node, decode_directory, directory_digest
from spm_spec.tree_names import DEFAULT_LIMITS, InvalidTree, Limits

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from spm_spec.digests import Digest


class Summary(NamedTuple):
    """What is below one directory, the directory itself apart."""

    entries: int
    size: int
    depth: int
    path_bytes: int


class Directories:
    """Distinct directories by digest, and the sums of what is below each."""

    def __init__(self, directories: Iterable[bytes], limits: Limits = DEFAULT_LIMITS) -> None:
        """Take the canonical bytes of directories, in any order."""
        self._limits = limits
        self._encoded = {directory_digest(each): each for each in directories}
        self._summaries: dict[Digest, Summary] = {}
        self._children: dict[Digest, tuple[Digest, ...]] = {}
        self._sizes: dict[Digest, int] = {}

    @property
    def blobs(self) -> dict[Digest, int]:
        """The blobs of all trees that were checked, with their sizes."""
        return self._sizes

    def unneeded(self) -> int:
        """Return how many directories no tree that was checked leads to."""
        return len(self._encoded) - len(self._summaries)

    def check(self, root: Digest) -> Summary:
        """Return the sums of the tree ``root``, which are within the caps.

        Costs as much as the directories that no earlier call met, whatever the tree
        they unfold to.

        Raises:
            InvalidTree: a directory is not one, or is missing (``missing-directory``);
                a size is not that of what is below (``wrong-size``); a cap is passed.

        """
        nodes: dict[Digest, tuple[Node, ...]] = {}
        waiting = [root]
        while waiting:
            digest = waiting[-1]
            if digest in self._summaries:
                waiting.pop()
                continue
            if digest not in nodes:
                nodes[digest] = self._decoded(digest)
                children = tuple(
                    node.digest for node in nodes[digest] if node.kind is Kind.DIRECTORY
                )
                self._children[digest] = children
                waiting += [child for child in children if child not in self._summaries]
            else:
                self._summaries[digest] = self._sum(nodes.pop(digest))
                waiting.pop()
        return self._summaries[root]

    def below(self, root: Digest) -> tuple[bytes, ...]:
        """Return the distinct directories of the tree ``root``, itself first.

        Raises:
            InvalidTree: as ``check``.

        """
        self.check(root)
        found = {root: self._encoded[root]}
        waiting = [root]
        while waiting:
            for digest in self._children[waiting.pop()]:
                if digest not in found:
                    found[digest] = self._encoded[digest]
                    waiting.append(digest)
        return tuple(found.values())

    def tree(self, root: Digest) -> Tree:
        """Return the whole tree ``root``, after checking it.

        Raises:
            InvalidTree: as ``check``.

        """
        size = self.check(root).size
        encoded: dict[str, bytes] = {}
        files: list[TreeFile] = []
        waiting = [("", root)]
        while waiting:
            path, digest = waiting.pop()
            encoded[path] = self._encoded[digest]
            prefix = f"{path}/" if path else ""
            for node in self._decoded(digest):
                place = prefix + node.name
                if node.kind is Kind.DIRECTORY:
                    waiting.append((place, node.digest))
                else:
                    executable = node.kind is Kind.EXECUTABLE
                    files.append(TreeFile(place, node.digest, executable, node.size))
        files.sort(key=lambda file: file.path.encode())
        return Tree(root, size, encoded, tuple(files))

    def _decoded(self, digest: Digest) -> tuple[Node, ...]:
        """Return the nodes of the directory ``digest``."""
        encoded = self._encoded.get(digest)
        if encoded is None:
            raise InvalidTree("missing-directory", "", f"the directory {digest} is missing")
        return decode_directory(encoded)

    def _sum(self, nodes: Sequence[Node]) -> Summary:
        """Add up the nodes of one directory; those below it are summed up."""
        entries, size, depth, path_bytes = len(nodes), 0, 1, 0
        for node in nodes:
            size += node.size
            length = len(node.name.encode())
            if node.kind is Kind.DIRECTORY:
                below = self._summaries[node.digest]
                if below.size != node.size:
                    explanation = f"the size is not the {below.size} bytes of the files below"
                    raise InvalidTree("wrong-size", node.name, explanation)
                entries += below.entries
                depth = max(depth, below.depth + 1)
                length += 1 + below.path_bytes
            else:
                self._claim(node)
            path_bytes = max(path_bytes, length)
        summary = Summary(entries, size, depth, path_bytes)
        _hold(summary, self._limits)
        return summary

    def _claim(self, node: Node) -> None:
        """Remember a blob, unless the same has another size elsewhere."""
        if node.size > self._limits.file_bytes:
            explanation = f"{node.size} bytes, the limit is {self._limits.file_bytes}"
            raise InvalidTree("file-too-large", node.name, f"the file is too large: {explanation}")
        if self._sizes.setdefault(node.digest, node.size) != node.size:
            raise InvalidTree("wrong-size", node.name, "the same bytes have two sizes")


def _hold(summary: Summary, limits: Limits) -> None:
    """Refuse what is over a cap on trees."""
    caps = (
        ("too-many-entries", summary.entries, limits.entries, "files and directories"),
        ("tree-too-large", summary.size, limits.tree_bytes, "bytes"),
        ("too-deep", summary.depth, limits.depth, "names in a path"),
        ("path-too-long", summary.path_bytes, limits.path_bytes, "bytes in a path"),
    )
    for reason, value, limit, what in caps:
        if value > limit:
            raise InvalidTree(reason, "", f"a tree has more than {limit} {what}")
