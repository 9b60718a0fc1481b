"""Train a model that tells handwritten digits apart, and say how well it does in cross-validation."""

import argparse
import json
import time
from pathlib import Path

import joblib
import pandas as pd
from sklearn.base import ClassifierMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def make_model(args: argparse.Namespace) -> ClassifierMixin:
    if args.algorithm == "logistic":
        return make_pipeline(
            StandardScaler(), LogisticRegression(C=args.c, max_iter=1000, random_state=args.random_seed)
        )
    return RandomForestClassifier(n_estimators=args.trees, max_depth=args.max_depth, random_state=args.random_seed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", type=Path, required=True, help="folder with train.csv")
    parser.add_argument("--model", type=Path, required=True, help="folder to write model.joblib and metrics.json to")
    parser.add_argument("--algorithm", choices=["logistic", "forest"], required=True)
    parser.add_argument("--c", type=float, default=1.0, help="inverse strength of the logistic regression's penalty")
    parser.add_argument("--trees", type=int, default=100, help="trees in the forest")
    parser.add_argument("--max-depth", type=int, help="depth of the forest's trees")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--random-seed", type=int, default=0)
    args = parser.parse_args()

    table = pd.read_csv(args.features / "train.csv")
    x, y = table.drop(columns=["image", "label"]), table["label"]
    print(f"Training {args.algorithm} on {len(x)} rows of {x.shape[1]} features")
    scores = []
    folds = StratifiedKFold(args.folds, shuffle=True, random_state=args.random_seed)
    for fold, (train, validate) in enumerate(folds.split(x, y), 1):
        model = make_model(args).fit(x.iloc[train], y.iloc[train])
        scores.append(model.score(x.iloc[validate], y.iloc[validate]))
        print(f"  fold {fold} of {args.folds}: accuracy {scores[-1]:.4f}")

    began = time.perf_counter()
    model = make_model(args).fit(x, y)
    metrics = {
        "algorithm": args.algorithm,
        "cross_validation_accuracy": sum(scores) / len(scores),
        "training_seconds": time.perf_counter() - began,
    }
    joblib.dump(model, args.model / "model.joblib")
    (args.model / "metrics.json").write_text(json.dumps(metrics, indent=2))
    print(f"Cross-validated accuracy {metrics['cross_validation_accuracy']:.4f}")
    print(f"Trained on all rows in {metrics['training_seconds']:.2f} s")


if __name__ == "__main__":
    main()
