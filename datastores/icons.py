"""Which icon stands for a file, by its name."""

from pathlib import PurePosixPath

from datastores.backends import Entry

_BY_SUFFIX = {
    "photo": {".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".tif", ".tiff"},
    "vector": {".svg"},
    "table": {".csv", ".tsv", ".parquet", ".xlsx", ".arrow", ".feather"},
    "braces": {".json", ".jsonl", ".yml", ".yaml", ".toml"},
    "brand-python": {".py"},
    "file-type-html": {".html", ".htm"},
    "file-text": {".txt", ".md", ".log", ".rst"},
    "file-zip": {".zip", ".gz", ".tar", ".bz2", ".xz", ".7z", ".zst"},
    "box": {".pkl", ".joblib", ".pt", ".onnx", ".npy", ".npz", ".h5", ".safetensors"},
}
_ICONS = {suffix: icon for icon, suffixes in _BY_SUFFIX.items() for suffix in suffixes}


def icon_of(entry: Entry) -> str:
    """A name of static/src/icons.txt."""
    if entry.kind == "folder":
        return "folder"
    if entry.kind == "other":
        return "ban"
    return _ICONS.get(PurePosixPath(entry.name).suffix.lower(), "file")
