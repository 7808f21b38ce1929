"""Errors that are the user's to mend: shown as one sentence, without a traceback."""


class UserError(ValueError):
    """What was wrong, the value, and what is allowed."""
