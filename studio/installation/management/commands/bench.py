"""`manage.py bench`: what the studio adds to the work, beside bare processes, in a fresh installation."""

import json
from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from studio.installation.bench.figures import MEASUREMENTS, Measured, Measurement
from studio.installation.bench.figures_data import DATA_MEASUREMENTS
from studio.installation.bench.figures_metrics import METRIC_MEASUREMENTS
from studio.installation.bench.figures_stores import STORE_MEASUREMENTS
from studio.installation.bench.figures_warm import WARM_MEASUREMENTS
from studio.installation.bench.left_out import LeftOut
from studio.installation.bench.report import details, machine, table
from studio.installation.bench.studio_side import studio_side
from studio.installation.bench.workloads import bare_from, single

_ALL = (*MEASUREMENTS, *WARM_MEASUREMENTS, *METRIC_MEASUREMENTS, *DATA_MEASUREMENTS, *STORE_MEASUREMENTS)


class Command(BaseCommand):
    help = "Measure the studio beside bare processes; print a table and write STUDIO_HOME/bench.json."

    def add_arguments(self, parser: CommandParser) -> None:
        names = [measurement.name for measurement in _ALL]
        parser.add_argument("--only", action="append", choices=names, help="Measure this figure (may be repeated).")
        parser.add_argument("--repetitions", type=int, default=5, help="Of each figure, studio and bare in turn.")

    def handle(self, *, only: list[str] | None, repetitions: int, **_: Any) -> None:
        wanted = [measurement for measurement in _ALL if not only or measurement.name in only]
        results: dict[str, tuple[Measurement, Measured]] = {}
        with studio_side() as studio:
            self.stdout.write(f"Measuring on {machine()}\n\n")
            warm = studio.run(studio.pipeline("where", single(studio.source, "where.py")))
            bare = bare_from(studio.said_by(warm), studio.installation.home / "bare")
            for measurement in wanted:
                try:
                    measured = measurement.measure(studio, bare, max(1, repetitions))
                except LeftOut as reason:
                    self.stdout.write(f"{measurement.name} is left out: {reason}\n\n")
                    continue
                results[measurement.name] = (measurement, measured)
                self.stdout.write(details(measurement, measured) + "\n\n")
        self.stdout.write(table(results))
        path = settings.STUDIO_HOME / "bench.json"
        known: dict[str, Any] = json.loads(path.read_text()) if only and path.exists() else {}
        known |= {name: asdict(measured.figure) for name, (_, measured) in results.items()}
        path.write_text(json.dumps(known, indent=2) + "\n")
        self.stdout.write(f"\nWritten to {path}")
