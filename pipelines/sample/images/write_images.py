"""Write the UCI handwritten digits, which ship with scikit-learn, as one small PNG image each.

The images go to a folder per digit, as in 7/0123.png, and are grey: 0 is paper, 255 is ink.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, required=True, help="folder to write to")
    args = parser.parse_args()

    digits = load_digits()
    print(f"Writing {len(digits.images)} images of 8 × 8 pixels")
    for number, (image, digit) in enumerate(zip(digits.images, digits.target, strict=True)):
        folder = args.images / str(digit)
        folder.mkdir(parents=True, exist_ok=True)
        pixels = np.round(image * 255 / 16).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:04}.png")
        if (number + 1) % 500 == 0:
            print(f"  {number + 1} written")
    print(f"Done: they lie below {args.images}")


if __name__ == "__main__":
    main()
