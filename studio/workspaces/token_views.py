"""The page of your own API tokens."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from studio.lib.problems import UserError
from studio.workspaces import queries, tokens
from studio.workspaces.forms import TokenForm, show_problems
from studio.workspaces.models import User


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@never_cache
def access_tokens(request: HttpRequest) -> HttpResponse:
    """What each token is for and when it was last used. A new one is shown once, in the answer that makes it."""
    assert isinstance(request.user, User)
    places = list(queries.workspaces_of(request.user))
    form = TokenForm(request.POST or None, workspaces=places)
    made = None
    if request.method == "POST" and form.is_valid():
        try:
            made = tokens.make_token(request.user, **form.cleaned_data)
        except UserError as error:
            show_problems(form, error)
        else:
            form = TokenForm(workspaces=places)
    rows = list(tokens.tokens_of(request.user))
    context = {"form": form, "made": made, "tokens": rows}
    return render(request, "workspaces/tokens.html", context, status=400 if form.errors else 200)


@require_POST
@login_required
def revoke_token(request: HttpRequest, token_id: int) -> HttpResponse:
    assert isinstance(request.user, User)
    tokens.revoke_token(request.user, token_id)
    messages.success(request, "The token is taken away. It opens nothing any more.")
    return redirect("access_tokens")
