"""Where files of a datastore are shown: what links and pictures of a document become."""

from dataclasses import dataclass

from django.urls import reverse

from datastores.models import Datastore


@dataclass(frozen=True, slots=True)
class Addresses:
    """Each takes `?path=`."""

    file: str
    image: str


def addresses_of(datastore: Datastore) -> Addresses:
    place = [datastore.workspace.slug, datastore.pk]
    return Addresses(file=reverse("datastores:file", args=place), image=reverse("datastores:image", args=place))
