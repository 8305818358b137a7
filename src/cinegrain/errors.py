"""Errors. Messages say what was expected, what was found, and what to do."""


class CinegrainError(Exception):
    """Base class; the command line shows the message without a traceback."""


class MediaError(CinegrainError):
    """A video file cannot be read."""


class ShapeError(CinegrainError):
    """An array has the wrong shape."""


class StoreError(CinegrainError):
    """An embedding dataset or run folder is missing, damaged or of another version."""


class ConfigError(CinegrainError):
    """Settings or a catalogue are wrong."""


class WeightsError(CinegrainError):
    """Pretrained weights cannot be downloaded, or are not the expected ones."""


class ExpertError(CinegrainError):
    """An expert does not do what its card says."""


class MissingExtraError(ConfigError):
    """A feature needs packages that are not installed."""


class DataError(CinegrainError):
    """The data is insufficient, for example fewer than two genres."""


class UnsafeFileError(DataError):
    """An untrusted file is damaged, or tries to run code or exhaust memory."""


class NotFoundError(CinegrainError):
    """A name or id does not exist, or is ambiguous."""


class EditError(CinegrainError):
    """An edit is not possible."""


class ConflictError(EditError):
    """The atlas has been edited meanwhile."""
