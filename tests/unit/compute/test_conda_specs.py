"""Conda's way to write what is wanted, and the same in pip's way."""

import pytest

from compute.environments.conda_specs import NotInPipsWords, in_pips_words, parse


@pytest.mark.parametrize(
    ("written", "means"),
    [
        ("numpy", "numpy"),
        ("NumPy", "numpy"),
        ("numpy=1.26", "numpy==1.26.*"),
        ("numpy=1.26.*", "numpy==1.26.*"),
        ("numpy==1.26.4", "numpy==1.26.4"),
        ("numpy 1.26.4", "numpy==1.26.4"),
        ("numpy 1.26.*", "numpy==1.26.*"),
        ("scipy>=1.11,<2", "scipy>=1.11,<2"),
        ("scipy >=1.11, <2", "scipy>=1.11,<2"),
        ("scipy!=1.12", "scipy!=1.12"),
        ("scipy=*", "scipy"),
        ("conda-forge::lightgbm=4", "lightgbm==4.*"),
        ("numpy=1.26=*", "numpy==1.26.*"),
    ],
)
def test_what_pip_can_say_too(written: str, means: str) -> None:
    assert in_pips_words(parse(written)) == means


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("numpy=1.26=py311h64a7726_0", "names a build"),
        ("blas=*=mkl", "names a build"),
        ("numpy==1.26.4=py311_0", "names a build"),
        ("numpy 1.26.4 py311_0", "names a build"),
        ("numpy=1.25|1.26", "one of several versions"),
        ("pytorch", "is called “torch” on the package index"),
    ],
)
def test_what_conda_alone_can_do(written: str, said: str) -> None:
    with pytest.raises(NotInPipsWords, match=said):
        in_pips_words(parse(written))


@pytest.mark.parametrize(
    "written", ["", "-e .", "../x", "numpy[version='>1']", "numpy=1 2 3 4", "a b; rm", "numpy=$(id)"]
)
def test_everything_else_is_refused_with_a_sentence(written: str) -> None:
    with pytest.raises(ValueError, match=r"“.*”"):
        parse(written)


def test_it_is_written_as_it_was_read() -> None:
    for text in ("numpy", "numpy=1.26", "scipy>=1.11,<2", "conda-forge::blas=*=mkl"):
        assert str(parse(text)) == text
