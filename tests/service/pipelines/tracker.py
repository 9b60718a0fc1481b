"""What MLflow's client sends, sent without it."""

import json
from typing import Any

from django.http import HttpResponseBase
from django.test import Client
from django.utils import timezone
from knox.models import AuthToken

from compute.services.leases import Lease, start
from compute.services.step_tokens import step_token
from studio.workspaces.models import User


class Tracker:
    """A client with a token, of one workspace unless its `slug` is empty."""

    def __init__(self, token: str, slug: str = "ours") -> None:
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.base = f"/api/mlflow/{slug}/api/2.0" if slug else "/api/mlflow/api/2.0"
        self.client = Client(raise_request_exception=True)

    @classmethod
    def of(cls, user: User, slug: str = "ours") -> "Tracker":
        return cls(AuthToken.objects.create(user)[1], slug)

    @classmethod
    def within(cls, lease: Lease) -> "Tracker":
        """The program of a step that runs."""
        start(lease, timezone.now())
        return cls(step_token(lease.job_id, lease.token), "")

    def ask(self, method: str, path: str, body: Any = None) -> HttpResponseBase:
        address = f"{self.base}/{path}"
        if method == "GET":
            return self.client.get(address, body or {}, headers=self.headers)
        content = body if isinstance(body, str | bytes) else json.dumps(body or {})
        sends = getattr(self.client, method.lower())
        answer: HttpResponseBase = sends(address, content, content_type="application/json", headers=self.headers)
        return answer

    def get(self, path: str, /, **query: Any) -> Any:
        return self._good(self.ask("GET", f"mlflow/{path}", query))

    def post(self, path: str, /, **body: Any) -> Any:
        return self._good(self.ask("POST", f"mlflow/{path}", body))

    def refused(self, path: str, method: str = "POST", /, **body: Any) -> tuple[int, str, str]:
        """Status, code and sentence."""
        answer: Any = self.ask(method, f"mlflow/{path}", body)
        said = answer.json()
        assert set(said) == {"error_code", "message"}, said
        return answer.status_code, said["error_code"], said["message"]

    def begin(self, **more: Any) -> str:
        run_id: str = self.post("runs/create", **more)["run"]["info"]["run_id"]
        return run_id

    def run(self, run_id: str) -> dict[str, Any]:
        """Its status, metrics, params and tags."""
        run = self.get("runs/get", run_id=run_id)["run"]
        data = {
            name: {each["key"]: each["value"] for each in run["data"][name]} for name in ("metrics", "params", "tags")
        }
        return {**run["info"], **data}

    def found(self, text: str = "", *, experiments: Any = ("0",), **more: Any) -> list[str]:
        """The names of the runs that a search finds."""
        answer = self.post("runs/search", experiment_ids=list(experiments), filter=text, **more)
        return [run["info"]["run_name"] for run in answer["runs"]]

    @staticmethod
    def _good(answer: Any) -> Any:
        assert answer.status_code == 200, answer.content
        return answer.json()
