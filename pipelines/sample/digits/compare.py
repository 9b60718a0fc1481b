"""Try two models on the images kept aside, take the better one, and write a report with a plot."""

import argparse
import json
import shutil
from pathlib import Path

import joblib
import pandas as pd
from matplotlib import pyplot as plt
from sklearn.metrics import ConfusionMatrixDisplay, accuracy_score, confusion_matrix, f1_score


def evaluate(folder: Path, x: pd.DataFrame, y: pd.Series) -> dict:
    """How one trained model does on the test rows."""
    metrics = json.loads((folder / "metrics.json").read_text())
    predicted = joblib.load(folder / "model.joblib").predict(x)
    metrics["test_accuracy"] = accuracy_score(y, predicted)
    metrics["test_f1"] = f1_score(y, predicted, average="macro")
    metrics["mistakes"] = int((predicted != y).sum())
    print(f"{metrics['algorithm']}: accuracy {metrics['test_accuracy']:.4f}, {metrics['mistakes']} mistakes")
    return {"metrics": metrics, "predicted": predicted, "folder": folder}


def plot(results: list[dict], y: pd.Series, path: Path) -> None:
    """The two confusion matrices side by side."""
    figure, axes = plt.subplots(1, len(results), figsize=(11, 5), layout="constrained")
    for result, axis in zip(results, axes, strict=True):
        matrix = ConfusionMatrixDisplay(confusion_matrix(y, result["predicted"]))
        matrix.plot(ax=axis, colorbar=False, cmap="Blues")
        axis.set_title(f"{result['metrics']['algorithm']}: {result['metrics']['test_accuracy']:.1%} right")
    figure.savefig(path, dpi=120)


def write_report(results: list[dict], best: dict, images: int, path: Path) -> None:
    rows = [
        f"| {m['algorithm']} | {m['cross_validation_accuracy']:.4f} | {m['test_accuracy']:.4f} | {m['test_f1']:.4f} "
        f"| {m['mistakes']} | {m['training_seconds']:.2f} s |"
        for m in (result["metrics"] for result in results)
    ]
    lines = [
        "# Handwritten digits",
        "",
        f"**{best['metrics']['algorithm']}** is the better one on {images} images that neither model had seen.",
        "",
        "| algorithm | cross-validated accuracy | test accuracy | test F1 | mistakes | training |",
        "| --- | --- | --- | --- | --- | --- |",
        *rows,
        "",
        "![Confusion matrices](confusion.png)",
    ]
    path.write_text("\n".join(lines) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", type=Path, required=True, help="folder with test.csv")
    parser.add_argument("--models", type=Path, nargs=2, required=True, help="folders of two trained models")
    parser.add_argument("--report", type=Path, required=True, help="folder to write the report and the plot to")
    parser.add_argument("--best", type=Path, required=True, help="folder to copy the better model to")
    args = parser.parse_args()

    table = pd.read_csv(args.features / "test.csv")
    x, y = table.drop(columns=["image", "label"]), table["label"]
    print(f"Testing on {len(x)} images")
    results = [evaluate(folder, x, y) for folder in args.models]
    best = max(results, key=lambda result: result["metrics"]["test_accuracy"])
    print(f"The better one is {best['metrics']['algorithm']}")

    shutil.copytree(best["folder"], args.best, dirs_exist_ok=True)
    plot(results, y, args.report / "confusion.png")
    write_report(results, best, len(x), args.report / "report.md")
    metrics = {"best": best["metrics"]["algorithm"], "models": [result["metrics"] for result in results]}
    (args.report / "metrics.json").write_text(json.dumps(metrics, indent=2))
    print("Wrote report.md, metrics.json and confusion.png")


if __name__ == "__main__":
    main()
