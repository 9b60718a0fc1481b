"""Turn images of handwritten digits into features, and keep a part of them aside for testing."""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from sklearn.model_selection import train_test_split


def read_images(folder: Path) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """All images below `folder` as rows of pixels between 0 and 1, with the digit that their folder is named after."""
    paths = sorted(folder.glob("*/*.png"))
    if not paths:
        raise SystemExit(f"There are no images below {folder}: they should lie in folders named 0 to 9.")
    pixels = np.stack([np.asarray(Image.open(path).convert("L"), dtype=float) / 255 for path in paths])
    labels = np.array([int(path.parent.name) for path in paths])
    return pixels, labels, [f"{path.parent.name}/{path.name}" for path in paths]


def make_features(pixels: np.ndarray) -> pd.DataFrame:
    """The pixels themselves, how much ink each row and column has, and how symmetric the digit is."""
    count, height, width = pixels.shape
    features = {f"pixel_{row}_{column}": pixels[:, row, column] for row in range(height) for column in range(width)}
    features |= {f"row_{row}": pixels[:, row, :].mean(axis=1) for row in range(height)}
    features |= {f"column_{column}": pixels[:, :, column].mean(axis=1) for column in range(width)}
    features["asymmetry"] = np.abs(pixels - pixels[:, :, ::-1]).reshape(count, -1).mean(axis=1)
    return pd.DataFrame(features)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, required=True, help="folder with a folder of images per digit")
    parser.add_argument("--features", type=Path, required=True, help="folder to write train.csv and test.csv to")
    parser.add_argument("--test-size", type=float, default=0.25, help="part of the images that is kept for testing")
    parser.add_argument("--random-seed", type=int, default=0)
    args = parser.parse_args()

    pixels, labels, names = read_images(args.images)
    print(f"Read {len(pixels)} images of {pixels.shape[1]} × {pixels.shape[2]} pixels")
    table = make_features(pixels)
    table.insert(0, "label", labels)
    table.insert(0, "image", names)
    print(f"Made {table.shape[1] - 2} features for each")
    train, test = train_test_split(
        table, test_size=args.test_size, random_state=args.random_seed, stratify=table["label"]
    )
    for name, part in (("train", train), ("test", test)):
        part.to_csv(args.features / f"{name}.csv", index=False)
        print(f"{name}.csv: {len(part)} rows")
    print("Images of each digit:", table["label"].value_counts().sort_index().to_dict())


if __name__ == "__main__":
    main()
