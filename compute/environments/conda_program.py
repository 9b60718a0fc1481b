"""A conda for nodes that have none: makes environments with py-rattler, called as micromamba is.

    python conda_program.py create --yes --prefix FOLDER --channel NAME … SPEC …
    python conda_program.py create --yes --prefix FOLDER --file EXPLICIT-LIST

A program of its own, so that it can be ended like any other.
"""

import argparse
import asyncio
import os
import sys
from pathlib import Path
from typing import Any


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("verb", choices=["create"])
    parser.add_argument("--yes", action="store_true")
    parser.add_argument("--override-channels", action="store_true")
    parser.add_argument("--prefix", type=Path, required=True)
    parser.add_argument("--channel", action="append", default=[])
    parser.add_argument("--file", type=Path)
    parser.add_argument("specs", nargs="*")
    given = parser.parse_intermixed_args()
    import rattler

    try:
        lines = given.file.read_text().splitlines() if given.file else []
        records = asyncio.run(_listed(lines) if lines else _solved(given.specs, given.channel))
        asyncio.run(rattler.install(records, target_prefix=given.prefix, cache_dir=_cache(), show_progress=False))
    except Exception as error:  # noqa: BLE001 (its faults have no class in common)
        sys.stderr.write(f"error: {error}\n")
        return 1
    for record in sorted(records, key=lambda each: each.name.normalized):
        sys.stdout.write(f" + {record.name.normalized} {record.version} {record.build}\n")
    return 0


async def _solved(specs: list[str], channels: list[str]) -> list[Any]:
    import rattler

    return list(
        await rattler.solve(
            channels,
            [rattler.MatchSpec(spec) for spec in specs],
            gateway=rattler.Gateway(cache_dir=_cache() / "repodata"),
            platforms=[rattler.Subdir.current(), "noarch"],
            virtual_packages=rattler.VirtualPackage.detect(),
        )
    )


async def _listed(lines: list[str]) -> list[Any]:
    """The records of an explicit list, looked up in the channels that its addresses lie in."""
    import rattler

    wanted = dict(line.strip().partition("#")[::2] for line in lines if line.strip() and line[0] not in "@#")
    channels = sorted({url.rsplit("/", 2)[0] for url in wanted})
    names = sorted({url.rsplit("/", 1)[1].rsplit("-", 2)[0] for url in wanted})
    gateway = rattler.Gateway(cache_dir=_cache() / "repodata")
    found = await gateway.query(
        channels,
        [rattler.Subdir.current(), "noarch"],
        [rattler.MatchSpec(name) for name in names],
        recursive=False,
    )
    by_url = {str(record.url): record for records in found for record in records}
    gone = [url for url in wanted if url not in by_url]
    if gone:
        raise ValueError(f"the channel has no {gone[0]} any more")
    for url, md5 in wanted.items():
        theirs = by_url[url].md5
        if md5 and theirs and theirs.hex() != md5:
            raise ValueError(f"the channel has another file for {url} than the list names")
    return [by_url[url] for url in wanted]


def _cache() -> Path:
    return Path(os.environ.get("CONDA_PKGS_DIRS", "conda-cache")).absolute()


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # All is on the disk. The library's own threads may still run, and crash an interpreter that takes itself apart.
    os._exit(code)
