"""`cinegrain serve`."""

import webbrowser
from typing import Annotated

import typer

from cinegrain.cli.console import err, out
from cinegrain.cli.options import RunArgument, guarded, needs


@guarded
@needs("train", "web")
def serve(
    run: RunArgument,
    host: Annotated[
        str, typer.Option("--host", help="Where to listen; beyond this machine visitors need a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes any free one.")] = 8765,
    browser: Annotated[bool, typer.Option("--open", help="Open it in your browser.")] = False,
    upload_mb: Annotated[int, typer.Option("--upload-mb", min=1, max=100_000, help="Largest video to take.")] = 2000,
    upload_s: Annotated[
        float, typer.Option("--upload-seconds", min=10, max=86_400, help="Longest that looking at one may take.")
    ] = 900.0,
) -> None:
    """Explore a run in the browser: map, films, sub-genres to correct, new films to bring. Ends with Ctrl-C."""
    from cinegrain.runs.layout import Run
    from cinegrain.web.server import serve as serve_run
    from cinegrain.web.uploads import Limits

    def on_ready(address: str) -> None:
        out.print(f"Explorer: {address}", highlight=False, soft_wrap=True)
        if "token=" in address:
            err.print("Whoever has this whole address may look and edit. Traffic is not encrypted.", highlight=False)
        if browser:
            webbrowser.open(address)

    limits = Limits(n_bytes=upload_mb * 10**6, seconds=upload_s)
    serve_run(Run.open(run), host=host, port=port, limits=limits, on_ready=on_ready)
