"""A socket at an address that does not exist is closed with a code, and nothing is logged as our fault."""

from channels.testing import WebsocketCommunicator

from studio.asgi import no_such_socket


async def test_it_is_closed_with_4404() -> None:
    socket = WebsocketCommunicator(no_such_socket, "/ws/nothing/")  # type: ignore[arg-type]
    assert (await socket.connect())[0]
    assert await socket.receive_output() == {"type": "websocket.close", "code": 4404}
