"""The collector is off while many objects are made, and on afterwards however that ends."""

import gc
import threading

import pytest

from studio.lib.collecting import uncollected


def test_it_is_on_again_afterwards() -> None:
    with uncollected():
        assert not gc.isenabled()
        with uncollected():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(KeyError), uncollected():
        raise KeyError
    assert gc.isenabled()


def test_whatever_the_order_in_which_threads_end() -> None:
    inside, end = threading.Event(), threading.Event()

    def other() -> None:
        with uncollected():
            inside.set()
            end.wait(10)

    thread = threading.Thread(target=other)
    with uncollected():
        thread.start()
        assert inside.wait(10)
    assert gc.isenabled()
    end.set()
    thread.join(10)
    assert gc.isenabled()
