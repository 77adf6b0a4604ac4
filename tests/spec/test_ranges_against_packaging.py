"""pip's operators mean on releases what the `packaging` library says they mean."""

from __future__ import annotations

from itertools import product

from packaging.specifiers import SpecifierSet

from spm_spec.ranges import VersionRange
from spm_spec.versions import Version

NUMBERS = [
    *("0.0.1", "0.2.0", "1.0.0", "1.2.0", "1.2.3", "1.2.4", "1.3.0"),
    *("1.10.0", "2.0.0", "2.2.0", "2.2.5", "3.0.0", "10.0.0"),
]
SINGLE = [
    *(operator + number for operator, number in product(("==", "!=", "~="), ("1.2", "1.2.3"))),
    *("==1.2.*", "!=1.2.*", "!=2.2.*", "==1.*", "~=0.2", "~=0.0.1", "~=2.2.0"),
    *(operator + "1.2.3" for operator in (">", ">=", "<", "<=")),
]


def test_pip_operators_agree_with_packaging_alone_and_in_lists() -> None:
    texts = [*SINGLE, *(f"{one},{other}" for one, other in product(SINGLE, SINGLE))]
    differences = [
        f"{text} and {number}"
        for text, number in product(texts, NUMBERS)
        if VersionRange.parse(text).admits(Version.parse(number))
        != SpecifierSet(text).contains(number)
    ]

    assert len(texts) * len(NUMBERS) > 2000
    assert differences == []
