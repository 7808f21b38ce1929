"""The page on which a person says which of two pictures is better, and does not know whose."""

import uuid
from collections.abc import Sequence
from pathlib import Path

import gradio

from mtlsr.errors import UserError
from mtlsr.pages.votes import Pair, keep, summary

QUESTION = "Which of the two looks more like a good photograph?"


def page(pairs: Sequence[Pair], votes: Path) -> gradio.Blocks:
    """The page.

    Args:
        pairs: What is shown, in this order.
        votes: CSV file of the votes.
    """

    def show(number: int, said: list[str]) -> tuple[object, ...]:
        """The place of the first pair from a number on that can be shown, twice, and its looks."""
        lost = ""
        for place, pair in enumerate(pairs[number:], number):
            try:
                left, right = pair.shown()
            except UserError:  # whose words would name the folders
                lost += f" {pair.name} cannot be shown any more."
                continue
            note = f"Pair {place + 1} of {len(pairs)}.{lost}"
            return place, place, left, right, note, *[gradio.Button(interactive=True)] * 3
        note = f"Thank you. {summary(said)} The votes are in {votes}.{lost}"
        end = len(pairs)
        return end, end, None, None, note, *[gradio.Button(interactive=False)] * 3

    def vote(side: str, seen: int, now: int, said: list[str], session: str) -> tuple[object, ...]:
        if seen == now < len(pairs):  # else it was pressed before the next pair was there
            pair = pairs[seen]
            better = {"left": pair.left, "right": pair.right}.get(side, "same")
            keep(votes, session, pair, better)
            now, said = now + 1, [*said, better]
        return said, *show(now, said)

    with gradio.Blocks(title="Which is better?", analytics_enabled=False) as blocks:
        # The browser sends which pair it shows, and the server knows which one that should be.
        seen, now = gradio.Number(0, precision=0, visible=False), gradio.State(0)
        said = gradio.State([])
        session = gradio.State(lambda: uuid.uuid4().hex[:8])
        gradio.Markdown(f"# {QUESTION}")
        note = gradio.Markdown()
        with gradio.Row():
            pictures = [
                gradio.Image(label=label, interactive=False, format="png", buttons=["fullscreen"])
                for label in ("Left", "Right")
            ]
        with gradio.Row():
            words = {"left": "Left is better", "same": "No difference", "right": "Right is better"}
            buttons = {side: gradio.Button(word) for side, word in words.items()}
        shown = [seen, now, *pictures, note, *buttons.values()]
        for side, button in buttons.items():
            button.click(
                lambda *given, side=side: vote(side, *given),
                [seen, now, said, session],
                [said, *shown],
                api_visibility="private",
                concurrency_id="vote",  # one after the other, also from different buttons
            )
        blocks.load(lambda: show(0, []), None, shown, api_visibility="private")
    return blocks
