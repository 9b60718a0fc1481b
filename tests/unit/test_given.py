"""What is sent to the API and has no field there is told, at each depth, beside what else is wrong."""

from typing import Any

import pytest
from django.http import QueryDict
from rest_framework import serializers

from studio.lib.given import Given


class Place(Given):
    path = serializers.CharField()


class Thing(Given):
    name = serializers.CharField(max_length=5)
    places = Place(many=True, required=False)
    made_at = serializers.DateTimeField(read_only=True)


def wrong(data: Any) -> Any:
    given = Thing(data=data)
    assert not given.is_valid()
    return given.errors


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"name": "a", "nmae": "b"}, {"nmae": ["There is no field “nmae” here. Did you mean “name”?"]}),
        ({"name": "a", "made": 1}, {"made": ["There is no field “made” here. There are: name, places."]}),
        ({"name": "a", "": 1}, {"": ["There is no field “” here. There are: name, places."]}),
    ],
)
def test_a_field_that_there_is_none_of(data: Any, said: Any) -> None:
    assert wrong(data) == said


def test_it_is_told_beside_the_others_and_within_lists() -> None:
    told = wrong({"name": "far too long", "x": 1, "places": [{"path": "a"}, {"path": "b", "pth": "c"}]})
    assert set(told) == {"name", "places", "x"}
    assert told["places"][1] == {"pth": ["There is no field “pth” here. Did you mean “path”?"]}


def test_many_and_long_names_are_told_within_reason() -> None:
    told = wrong({"name": "a", **{f"{index}-{'x' * 1000}": 1 for index in range(1000)}})
    assert len(told) == 20
    assert all(len(name) == 100 and len(sentence) < 200 for name, [sentence] in told.items())


def test_a_form_has_its_token_and_what_is_right_passes() -> None:
    for data in ({"name": "a", "places": [{"path": "b"}]}, QueryDict("name=a&csrfmiddlewaretoken=t")):
        given = Thing(data=data)
        assert given.is_valid(), given.errors
