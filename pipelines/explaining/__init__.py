"""Why a step ran or was reused: what differs from the earlier one that is most like it, in words and as a diff."""

from pipelines.explaining.explanation import Change, Explanation, changes_between, explain, reuse_end_of

__all__ = ["Change", "Explanation", "changes_between", "explain", "reuse_end_of"]
