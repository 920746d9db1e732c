"""One exception per mistake a person can make: a line of cause and a line of cure."""


class TesserecError(Exception):
    """Something the caller can mend. `cause` says what is wrong, `cure` what to do."""

    def __init__(self, cause: str, cure: str = "") -> None:
        super().__init__(f"{cause} {cure}".strip())
        self.cause = cause
        self.cure = cure


class BadData(TesserecError):
    """A table, vector file or folder cannot be read as it is."""


class BadSpec(TesserecError):
    """A description (study, method, `--set`) names something that does not exist or fit."""


class BadRequest(TesserecError):
    """A question that cannot be asked of this recommender."""


class UnknownId(TesserecError):
    """A user or item that is in no table."""


class NoContent(TesserecError):
    """A method needs vectors, texts or relations that the data do not have."""


class NoOrder(TesserecError):
    """A split or method needs times or an order that the data do not have."""


class CannotAnswer(TesserecError):
    """The recommender has no way to give this kind of answer."""


class DamagedFile(TesserecError):
    """A saved file differs from what its manifest says."""


class DiskFull(TesserecError):
    """There is no room for a file; what was there before is whole."""


class Unavailable(TesserecError):
    """A database is busy or out of reach; trying again may help."""


class NotFinite(TesserecError):
    """A loss became NaN or infinite."""


class MissingExtra(TesserecError):
    """An optional package is not installed."""
