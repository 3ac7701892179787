"""What can be wrong with an expression, apart from the expression's own file so that filters may raise it too."""


class ExpressionError(Exception):
    """An expression or template that cannot be compiled or that fails on this data; the message names both."""


class MissingValue(ExpressionError):
    """A value that the expression needs is not there. ``field`` is its dotted path, as far as it is known."""

    def __init__(self, message: str, field: str = "") -> None:
        self.field = field
        super().__init__(message)
