"""In: a film's plan; out: its sound track. It does not know pictures, motion or genres."""

from cinegrain_demo.sound.tones import SAMPLE_RATE_HZ
from cinegrain_demo.sound.track import film_sound

__all__ = ["SAMPLE_RATE_HZ", "film_sound"]
