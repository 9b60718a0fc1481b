"""Why there is no result, for the author of the step."""


class Refused(Exception):
    """It can't be run, or not to its end: one sentence that says why and what to do."""


class BadBatch(Exception):
    """A batch failed by what its script did, in a sentence."""
