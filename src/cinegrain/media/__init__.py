"""From one video file to its scenes, one by one; knows nothing of networks, stores or catalogues."""

from cinegrain.media.facts import FLAGS, MediaFacts
from cinegrain.media.files import VIDEO_SUFFIXES, file_sha256, find_videos, is_video_name
from cinegrain.media.reader import TrailerReader
from cinegrain.media.settings import MediaSettings

__all__ = [
    "FLAGS",
    "VIDEO_SUFFIXES",
    "MediaFacts",
    "MediaSettings",
    "TrailerReader",
    "file_sha256",
    "find_videos",
    "is_video_name",
]
