"""`cinegrain serve`."""

import webbrowser
from typing import Annotated

import typer

from cinegrain.cli.console import out, say
from cinegrain.cli.options import RunArgument, guarded, needs


@guarded
@needs("train", "web")
def serve(
    run: RunArgument,
    host: Annotated[
        str, typer.Option("--host", help="Address to listen on; visitors from other machines need a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port; 0 takes any free one.")] = 8765,
    browser: Annotated[bool, typer.Option("--open", help="Open a browser.")] = False,
    upload_mb: Annotated[
        int, typer.Option("--upload-mb", min=1, max=100_000, help="Maximum size of an uploaded video, in MB.")
    ] = 2000,
    upload_s: Annotated[
        float, typer.Option("--upload-seconds", min=10, max=86_400, help="Maximum time to process one, in seconds.")
    ] = 900.0,
) -> None:
    """Explore and edit a run in the browser, until Ctrl-C."""
    from cinegrain.runs.layout import Run
    from cinegrain.web.server import serve as serve_run
    from cinegrain.web.uploads import Limits

    def on_ready(address: str) -> None:
        out.print(f"Explorer: {address}", highlight=False, soft_wrap=True)
        if "token=" in address:
            say("Anyone with this full address can view and edit. Traffic is not encrypted.")
        if browser:
            webbrowser.open(address)

    limits = Limits(n_bytes=upload_mb * 10**6, seconds=upload_s)
    serve_run(Run.open(run), host=host, port=port, limits=limits, on_ready=on_ready)
