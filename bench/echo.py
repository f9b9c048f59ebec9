"""The least that an aiohttp server does with a POST of JSON: it decodes and echoes it. ipamd is compared with it."""

import asyncio
import socket

from aiohttp import web


async def serve() -> None:
    """Serve on a free port of the loopback until ended; prints `ready PORT`."""

    async def back(request: web.Request) -> web.Response:
        return web.json_response(await request.json(), status=201)

    app = web.Application()
    app.router.add_post("/v1/leases", back)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    sock = socket.create_server(("127.0.0.1", 0))
    await web.SockSite(runner, sock).start()
    print("ready", sock.getsockname()[1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve())
