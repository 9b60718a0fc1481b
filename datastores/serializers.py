"""Data in the REST API's words."""

from typing import Any

from django.urls import reverse
from rest_framework import serializers

from datastores.backends import Entry, Listing
from datastores.models import Datastore


class RegisterDatastore(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=100)
    kind = serializers.CharField(max_length=40, default="local")
    description = serializers.CharField(max_length=500, default="", allow_blank=True)
    config = serializers.DictField(
        default=dict, help_text="What this kind must be told; for `local` the folder `path`."
    )


class ChangeDatastore(serializers.Serializer[Any]):
    description = serializers.CharField(max_length=500, required=False, allow_blank=True)
    is_default = serializers.BooleanField(required=False, help_text="true makes it the workspace's default.")


class NewFolder(serializers.Serializer[Any]):
    folder = serializers.CharField(default="", allow_blank=True, trim_whitespace=False)
    name = serializers.CharField(trim_whitespace=False)


def datastore_json(datastore: Datastore, slug: str) -> dict[str, Any]:
    return {
        "id": datastore.pk,
        "name": datastore.name,
        "kind": datastore.kind,
        "description": datastore.description,
        "is_default": datastore.is_default,
        "created_at": datastore.created_at,
        "created_by": datastore.created_by and datastore.created_by.username,
        "url": reverse("datastores:browse", args=[slug, datastore.pk]),
    }


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
