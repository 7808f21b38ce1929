"""The page on which a picture is enlarged."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import gradio

from mtlsr.data.images import SUFFIXES
from mtlsr.errors import UserError
from mtlsr.inference.upscaler import Upscaler
from mtlsr.pages.shown import enlarge

MAPS = "Structure and texture that the network predicts"


def page(load: Callable[[str], Upscaler], models: list[str], pixels: int) -> gradio.Blocks:
    """The page.

    Args:
        load: Name of a model -> the model.
        models: Their names, the default first.
        pixels: See `enlarge`.
    """

    def run(
        given: str | None,
        model: str,
        progress: gradio.Progress = gradio.Progress(),  # noqa: B008
    ) -> tuple[object, ...]:
        if given is None:
            raise gradio.Error("Drop a picture first.", print_exception=False)
        folder = Path(tempfile.mkdtemp(dir=Path(given).parent))
        try:
            shown = enlarge(
                load(model), Path(given), folder, pixels, lambda *counts: progress(counts)
            )
        except UserError as error:
            said = str(error).removeprefix(f"{Path(given).parent}/")
            raise gradio.Error(said, print_exception=False) from error
        both = (str(shown.before), str(shown.after))
        maps = (None if path is None else str(path) for path in (shown.structure, shown.texture))
        ready = gradio.DownloadButton(value=str(shown.download), interactive=True)
        return both, shown.realism, ready, *maps

    with gradio.Blocks(
        title="Enlarge a photograph", analytics_enabled=False, delete_cache=(600, 3600)
    ) as blocks:
        gradio.Markdown("# Enlarge a photograph")
        with gradio.Row():
            with gradio.Column(scale=1, min_width=280):
                given = gradio.File(
                    label=f"Drop a picture, at most {pixels / 1e6:g} megapixels",
                    file_types=sorted(SUFFIXES),
                    type="filepath",
                    height=140,
                )
                model = gradio.Dropdown(models, value=models[0], label="Model")
                again = gradio.Button("Enlarge", variant="primary")
                realism = gradio.HTML()
                download = gradio.DownloadButton("Download", interactive=False)
            with gradio.Column(scale=3):
                slider = gradio.ImageSlider(
                    label="Left: bicubic. Right: enlarged by the network",
                    type="filepath",
                    interactive=False,
                    max_height=720,
                    buttons=["fullscreen"],
                )
                with gradio.Accordion(MAPS, open=True), gradio.Row():
                    structure, texture = (
                        gradio.Image(
                            label=label,
                            type="filepath",
                            interactive=False,
                            buttons=["fullscreen", "download"],
                        )
                        for label in ("Structure", "Texture")
                    )
        shown = [slider, realism, download, structure, texture]
        for event in (given.upload, again.click):
            event(run, [given, model], shown, api_visibility="private")
    return blocks
