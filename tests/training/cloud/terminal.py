"""A terminal at which a user answers."""

import io


class Terminal(io.StringIO):
    """Standard input with the user's lines; nothing more is the end of the input, Ctrl-D."""

    def isatty(self) -> bool:
        return True
