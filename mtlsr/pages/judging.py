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
        if number == len(pairs):
            note = f"Thank you. {summary(said)} The votes are in {votes}."
            return None, None, note, *[gradio.Button(interactive=False)] * 3
        try:
            left, right = pairs[number].shown()
        except UserError as error:
            raise gradio.Error(str(error), print_exception=False) from error
        note = f"Pair {number + 1} of {len(pairs)}"
        return left, right, note, *[gradio.Button(interactive=True)] * 3

    def vote(side: str, seen: int, said: list[str], session: str) -> tuple[object, ...]:
        if seen == len(said) < len(pairs):  # else it was pressed before the next pair was there
            pair = pairs[seen]
            better = {"left": pair.left, "right": pair.right}.get(side, "same")
            following = show(seen + 1, [*said, better])  # first: a vote is kept once or not at all
            keep(votes, session, pair, better)
            return seen + 1, [*said, better], *following
        return len(said), said, *show(len(said), said)

    with gradio.Blocks(title="Which is better?", analytics_enabled=False) as blocks:
        # The browser sends which pair it shows, and the server knows how many have been judged.
        seen, said = gradio.Number(0, precision=0, visible=False), gradio.State([])
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
        shown = [*pictures, note, *buttons.values()]
        for side, button in buttons.items():
            button.click(
                lambda *now, side=side: vote(side, *now),
                [seen, said, session],
                [seen, said, *shown],
                api_visibility="private",
                concurrency_id="vote",  # one after the other, also from different buttons
            )
        blocks.load(lambda: show(0, []), None, shown, api_visibility="private")
    return blocks
