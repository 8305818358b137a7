"""One family of errors; each message says what was expected, what was found and the next step."""


class CinegrainError(Exception):
    """Anything Cinegrain raises on purpose; the command line shows its message without a traceback."""


class MediaError(CinegrainError):
    """A video file cannot be read."""


class ShapeError(CinegrainError):
    """An array does not have the promised shape."""


class StoreError(CinegrainError):
    """An embedding dataset or run folder is missing, damaged or of another version."""


class ConfigError(CinegrainError):
    """Settings or a catalogue are wrong."""


class WeightsError(CinegrainError):
    """Pretrained weights cannot be had or are not the expected ones."""


class ExpertError(CinegrainError):
    """An expert gives something else than its card says."""


class MissingExtraError(ConfigError):
    """What was asked for needs packages that are not installed."""


class DataError(CinegrainError):
    """The data cannot support what was asked, for example fewer than two genres."""


class UnsafeFileError(DataError):
    """A file from elsewhere is damaged, or asks for more than reading data: running code, or endless memory."""


class NotFoundError(CinegrainError):
    """What was asked for by a name or id is not there, or several things have the name."""


class EditError(CinegrainError):
    """An edit that the atlas cannot take."""


class ConflictError(EditError):
    """Somebody else edited the atlas meanwhile."""
