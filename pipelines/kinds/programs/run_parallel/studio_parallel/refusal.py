"""Why there is no result, for the author of the step."""


class Refused(Exception):
    """It can't be run, or not to its end: one sentence that says why and what to do."""


class BadBatch(Exception):
    """A batch failed by what its script did, in a sentence."""


def too_many(failed, most, split, why):
    """Of items without a result; `why` is the last failure, empty where results were only missing."""
    item = "file" if split == "files" else "row"
    last = "The last that failed: {}".format(why) if why else "The script returned fewer results than it was given."
    return "{:,} {} failed or gave no result, and {} may. {}".format(
        failed, item if failed == 1 else item + "s", "{:,}".format(most) if most else "none", last
    )
