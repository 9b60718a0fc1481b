"""What the forms of compute have in common."""

from collections.abc import Iterable

from django import forms

from studio.lib.problems import Problem, UserError

NAME_HELP = "Letters, digits, hyphens, dots and underscores, as in “{}”."


def add_problems(form: forms.Form, error: UserError) -> None:
    """Put a service's problems at the fields they belong to."""
    for problem in error.problems:
        form.add_error(*_placed(problem, form.fields))


def _placed(problem: Problem, fields: Iterable[str]) -> tuple[str | None, str]:
    match problem.loc:
        case (str(field), *_) if field in fields:
            return field, problem.message
    return None, problem.message


def status_of(form: forms.Form) -> int:
    """The HTTP status of a page with that form."""
    return 422 if form.errors else 200
