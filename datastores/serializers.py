"""Data in the REST API's words."""

from typing import Any

from django.urls import reverse
from rest_framework import serializers

from datastores.backends import Entry, Listing, Store, Table, store_class
from datastores.kinds import fields_of
from datastores.models import Datastore, ResumableUpload
from datastores.services import Tried
from studio.lib.given import Given
from studio.lib.problems import UserError

CONFIG = "What this kind must be told: see `datastores/kinds/`."
CREDENTIALS = "The secrets of this kind. They are encrypted, and never given back."


class RegisterDatastore(Given):
    name = serializers.CharField(max_length=100)
    kind = serializers.CharField(max_length=40, default="local")
    description = serializers.CharField(max_length=500, default="", allow_blank=True)
    config = serializers.DictField(default=dict, help_text=CONFIG)
    credentials = serializers.DictField(default=dict, help_text=CREDENTIALS, write_only=True)


class TestConnection(Given):
    __test__ = False  # for pytest, which goes by names

    kind = serializers.CharField(max_length=40)
    config = serializers.DictField(default=dict, help_text=CONFIG)
    credentials = serializers.DictField(default=dict, help_text=CREDENTIALS, write_only=True)


class ChangedConnection(Given):
    config = serializers.DictField(required=False, help_text="The fields that change. The others stay.")
    credentials = serializers.DictField(
        required=False, help_text="The ones that change; an empty one stays, null takes one away.", write_only=True
    )


class ChangeDatastore(ChangedConnection):
    description = serializers.CharField(max_length=500, required=False, allow_blank=True)
    is_default = serializers.BooleanField(required=False, help_text="true makes it the workspace's default.")
    same_data = serializers.BooleanField(
        default=False, help_text="Says that the data has moved to another place, and is still the same."
    )


class NewFolder(Given):
    folder = serializers.CharField(default="", allow_blank=True, trim_whitespace=False)
    name = serializers.CharField(trim_whitespace=False)


class NewUpload(Given):
    path = serializers.CharField(trim_whitespace=False)
    size_bytes = serializers.IntegerField(min_value=0, max_value=2**62)


def datastore_json(datastore: Datastore, slug: str) -> dict[str, Any]:
    return {
        "id": datastore.pk,
        "name": datastore.name,
        "kind": datastore.kind,
        "holds": store_class(datastore.kind).holds,
        "is_writable": store_class(datastore.kind).is_writable,
        "description": datastore.description,
        "is_default": datastore.is_default,
        "created_at": datastore.created_at,
        "created_by": datastore.created_by and datastore.created_by.username,
        "url": reverse("datastores:browse", args=[slug, datastore.pk]),
    }


def whole_datastore_json(datastore: Datastore, slug: str) -> dict[str, Any]:
    """With what an owner said when it was registered, and which secrets there are: never a secret itself."""
    try:
        secrets = sorted(datastore.credentials.open()) if datastore.credentials else []
    except UserError:
        secrets = []
    return {**datastore_json(datastore, slug), "config": datastore.config, "credentials": secrets}


def kind_json(store: type[Store]) -> dict[str, Any]:
    return {
        "kind": store.kind,
        "label": store.label,
        "summary": store.summary,
        "holds": store.holds,
        "is_writable": store.is_writable,
        "fields": [
            {
                "part": field.part,
                "name": field.name,
                "label": field.label,
                "help": field.help,
                "type": field.type,
                "required": field.required,
                "default": field.default,
                "choices": [value for value, _ in field.choices],
                "when": field.when,
            }
            for field in fields_of(store)
        ],
    }


def tried_json(tried: Tried) -> dict[str, Any]:
    return {
        "message": tried.message,
        "location": tried.location,
        "can_write": tried.can_write,
        "names": tried.names,
        "has_more": tried.has_more,
        "took_s": round(tried.took_s, 3),
    }


def upload_json(upload: ResumableUpload) -> dict[str, Any]:
    return {
        "id": str(upload.pk),
        "path": upload.path,
        "size_bytes": upload.size_bytes,
        "received_bytes": upload.received_bytes,
        "is_stored": upload.stored_at is not None,
    }


def table_json(table: Table) -> dict[str, Any]:
    return {"schema": table.schema, "name": table.name, "is_view": table.is_view}


def entry_json(entry: Entry) -> dict[str, Any]:
    """A name that is not text has no path: it can be seen, and not asked for."""
    return {
        "name": entry.label,
        "path": entry.path if entry.is_addressable else None,
        "kind": entry.kind,
        "size_bytes": entry.size_bytes,
        "modified_at": entry.modified_at,
    }


def listing_json(path: str, listing: Listing) -> dict[str, Any]:
    return {"path": path, "entries": [entry_json(entry) for entry in listing.entries], "after": listing.after}
