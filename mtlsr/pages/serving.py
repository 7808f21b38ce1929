"""A Gradio page served to this machine alone, which loads nothing from elsewhere.

Gradio counts its users, asks for newer versions, and its default theme takes its fonts from Google.
All of that is switched off; and the browser is forbidden to ask anybody but this server, so that
nothing of the kind can come back with a newer Gradio.
"""

import os
import socket
import tempfile
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from mtlsr.errors import UserError

if TYPE_CHECKING:
    import gradio

HOST = "127.0.0.1"

POLICY = (
    "default-src 'self' data: blob:; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; connect-src 'self'; frame-ancestors 'none'; "
    "form-action 'none'"
)
"""Content Security Policy: from this server alone."""


def needs_gradio() -> None:
    """Look whether Gradio is there.

    Raises:
        UserError: It is not.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    try:
        import gradio
    except ImportError as error:
        raise UserError("The page needs Gradio: pip install 'mtlsr[demo]'.") from error
    if int(gradio.__version__.split(".")[0]) < 6:
        raise UserError(f"The page needs Gradio 6, and {gradio.__version__} is installed.")


def listening(port: int) -> socket.socket:
    """A place on this machine where the page can be asked for; port 0 is any free one.

    Raises:
        UserError: Another program has the port.
    """
    place = socket.socket()
    place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        place.bind((HOST, port))
    except OSError as error:
        place.close()
        raise UserError(
            f"port is {port}, which cannot be had ({error.strerror}); port=0 takes any free one."
        ) from error
    return place


def serve(build: Callable[[], "gradio.Blocks"], port: int, megabytes: int) -> None:
    """Serve a page until it is interrupted; what was uploaded is gone afterwards.

    Args:
        build: Makes the page.
        port: See `listening`.
        megabytes: Of an uploaded file, at the most.

    Raises:
        UserError: See `listening`.
    """
    place = listening(port)
    with tempfile.TemporaryDirectory(prefix="mtlsr_demo_") as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder
        import uvicorn

        app = application(build(), megabytes)
        print(f"The page is at http://{HOST}:{place.getsockname()[1]}; Ctrl-C ends it.", flush=True)
        quiet = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1)
        uvicorn.Server(quiet).run(sockets=[place])


def application(blocks: "gradio.Blocks", megabytes: int) -> Any:
    """The page as an ASGI application."""
    import fastapi
    import gradio

    app = fastapi.FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.middleware("http")
    async def guarded(
        request: fastapi.Request, call: Callable[[fastapi.Request], Awaitable[fastapi.Response]]
    ) -> fastapi.Response:
        response = await call(request)
        response.headers["Content-Security-Policy"] = POLICY
        response.headers["Referrer-Policy"] = "no-referrer"
        return response

    return gradio.mount_gradio_app(
        app,
        blocks,
        path="/",
        server_name=HOST,
        footer_links=[],
        max_file_size=f"{megabytes}mb",
        ssr_mode=False,
        theme=gradio.themes.Base(
            font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]
        ),
    )
