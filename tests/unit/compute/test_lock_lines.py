"""What a lock may say: whoever builds sources while versions are looked for could have written anything into it."""

import pytest

from compute.environments.lock_lines import lock_lines, name_of, requirement_of, without

LOCK = """\
# a comment
Toy_Box==1.0 ; python_full_version < '3.12' \\
    --hash=sha256:3f97c09f \\
    --hash=sha256:c317b4e1
far @ https://example.org/far-1.0.tar.gz \\
    --hash=sha256:00ff
near @ git+https://example.org/near@0123abc
"""


def test_each_requirement_is_a_line_with_its_hashes() -> None:
    lines = lock_lines(LOCK)
    assert lines[0] == "Toy_Box==1.0 ; python_full_version < '3.12' --hash=sha256:3f97c09f --hash=sha256:c317b4e1"
    assert [requirement_of(line) for line in lines[1:]] == [
        "far @ https://example.org/far-1.0.tar.gz",
        "near @ git+https://example.org/near@0123abc",
    ]
    assert [name_of(line) for line in lines] == ["toy-box", "far", "near"]
    assert without(lines, ["far", "toy-box"]) == [lines[2]]


@pytest.mark.parametrize(
    "line",
    [
        "-r /srv/studio/secret-key",
        "--index-url https://elsewhere.example.org/simple",
        "--hash=sha256:00ff",
        "-e /srv/studio",
        "/srv/studio/theirs-1.0-py3-none-any.whl",
        "theirs @ file:///srv/studio/theirs-1.0-py3-none-any.whl",
        "theirs @ git+ssh://example.org/theirs",
        "toy==1.0 --config-settings=x=y",
    ],
)
def test_what_reads_files_or_sets_options_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        lock_lines(f"toy==1.0\n{line}\n")
