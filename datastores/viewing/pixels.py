"""Pictures opened by Pillow, in a process of its own (see `datastores.tabular.isolated`)."""

import io
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

from studio.lib.problems import UserError

if TYPE_CHECKING:
    from PIL import Image

FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF")
MOST_PIXELS = 100_000_000  # a file of some kilobytes may say that it has billions


@dataclass(frozen=True, slots=True)
class Facts:
    format: str
    width: int
    height: int


def facts(content: bytes) -> Facts:
    """What the picture says of itself. Raises UserError where it is none, or one that is not to be drawn."""
    with _opened(content) as picture:
        return Facts(picture.format or "", *picture.size)


def smaller(content: bytes, edge: int) -> bytes:
    """The picture as WebP, its longer side at most `edge` pixels, the right way up."""
    from PIL import Image, ImageOps

    with _opened(content) as picture:
        try:
            picture.draft("RGB", (edge, edge))  # JPEG can be read at a fraction of its size
            upright = ImageOps.exif_transpose(picture)
            has_alpha = upright.mode in {"RGBA", "LA", "PA"} or "transparency" in upright.info
            drawn = _eight_bits(upright).convert("RGBA" if has_alpha else "RGB")
            drawn.thumbnail((edge, edge), Image.Resampling.LANCZOS)
            out = io.BytesIO()
            drawn.save(out, "WEBP", quality=82, method=2)
        except (OSError, SyntaxError, ValueError, EOFError) as error:
            raise UserError("The picture is damaged: it can't be drawn to its end.") from error
    return out.getvalue()


def _eight_bits(picture: "Image.Image") -> "Image.Image":
    """Of more depth, as of microscopes: its darkest is black and its brightest white."""
    if not picture.mode.startswith(("I", "F")):
        return picture
    extremes = picture.convert("F").getextrema()
    low, high = (float(each) for each in extremes if not isinstance(each, tuple))
    scale = 255 / (high - low) if high > low else 0.0
    return picture.convert("F").point(lambda value: value * scale - low * scale).convert("L")


def _opened(content: bytes) -> "Image.Image":
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = MOST_PIXELS
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            return Image.open(io.BytesIO(content), formats=FORMATS)
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise UserError(f"This picture has more than {MOST_PIXELS:,} pixels: it is not drawn here.") from error
        except (OSError, SyntaxError, ValueError) as error:
            raise UserError("The file is no picture that can be drawn: it is damaged, or of another kind.") from error
