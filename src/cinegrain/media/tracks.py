"""Chooses the sound tracks of a film and how to mix their channels."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import langcodes
import numpy as np
from av import AudioResampler
from av.audio import AudioFrame, AudioStream
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition
from av.video import VideoStream

from cinegrain.media.audible import QUIETEST_DBFS
from cinegrain.media.clock import Deadline
from cinegrain.media.decode import Tally, decode_sound
from cinegrain.media.probe import decode_in_this_thread, open_media
from cinegrain.settings import AUTO
from cinegrain.types import Float64

_N_SPOTS, _SPOT_S = 5, 0.6
_PATIENCE = 10
"""Frames of another stream without any of this one, after which this one counts as silent there."""
_CANCELLED = 0.1
"""Channels cancel if the power of their sum is below this fraction of their summed powers; unrelated sounds have 1."""
_TONE_SHARE, _TONE_BINS, _TONE_SPREAD_DB = 0.98, 3, 0.5
_PCM = re.compile(r"pcm_(?:[suf](\d+)[a-z]*|alaw|mulaw|vidc)")
_PLAIN = ("mono", "stereo")
_MANY_PLANES = 8
_FULL_SCALES = {"s16": 2.0**15, "s32": 2.0**31, "s64": 2.0**63}
_NOT_MAIN = (
    Disposition.comment
    | Disposition.visual_impaired
    | Disposition.hearing_impaired
    | Disposition.clean_effects
    | Disposition.karaoke
    | Disposition.lyrics
    | Disposition.descriptions
)
_NOT_MAIN_TITLE = re.compile(
    r"comment(ary|aire)|kommentar|comentario|commento|descri(ption|ptive|bed|ção|pción)|hörfilm|audiodes[ck]ri"
    r"|isolated|music and effects|\bm ?& ?e\b|\bAD\b",
    re.IGNORECASE,
)

Mix = tuple[float, ...]
"""One weight per channel of a track."""


@dataclass(frozen=True)
class Track:
    """One sound track that is used.

    Attributes:
        index: Index of its stream.
        number: Number among the file's sound tracks, from 1.
        mix: How to mix its channels; None for FFmpeg's rules for its layout.
        language: As stated in the file.
    """

    index: int
    number: int
    mix: Mix | None = None
    language: str | None = None


@dataclass(frozen=True)
class ChosenTracks:
    """Sound used of a file: one track, several that are mixed, or none.

    Attributes:
        tracks: In file order.
        n_tracks: Number of decodable tracks in the file.
    """

    tracks: tuple[Track, ...]
    n_tracks: int


@dataclass
class _Heard:
    """Sound of a stream at a few places, each of shape (channels, n)."""

    spots: list[Float64] = field(default_factory=list)
    order_is_known: bool = False  # the decoder knows the channel order

    @property
    def n_channels(self) -> int:
        """Number of channels; 0 if nothing was decoded."""
        return len(self.spots[0]) if self.spots else 0

    @property
    def sound(self) -> Float64:
        """All places concatenated, shape (channels, n)."""
        return np.concatenate(self.spots, axis=1)

    @property
    def is_audible(self) -> bool:
        return any((10 * np.log10(np.square(spot).mean(axis=1) + 1e-20) > QUIETEST_DBFS).any() for spot in self.spots)

    @property
    def is_tone(self) -> bool:
        """Whether it is a test tone: one frequency of constant level."""
        levels = [10 * np.log10(np.square(spot).mean() + 1e-20) for spot in self.spots]
        return bool(levels) and np.ptp(levels) < _TONE_SPREAD_DB and all(map(_is_pure, self.spots))


def choose_tracks(
    path: Path, *, picture_index: int | None, track: str, language: str, deadline: Deadline
) -> ChosenTracks:
    """Chooses the sound of a film.

    Of the tracks in the programme of the pictures: the requested number; otherwise tracks in the requested language, or
    all; without commentary, audio description and the like unless there is nothing else; of these, tracks with sound
    other than a test tone; of these, FFmpeg's choice. If that is mono, the other mono tracks of the same kind and
    language are its other channels.

    Args:
        path: The file; a few places of it are decoded.
        picture_index: Video stream of the film, or None.
        track: Number of a track from 1, or AUTO; AUTO if the file has fewer.
        language: Code of a language (ISO 639, BCP 47), or AUTO.
        deadline: Time limit.

    Raises:
        MediaError: If the file cannot be opened, or the deadline passes.
    """
    with open_media(path, limit_s=deadline.limit_s) as container:
        known = [stream for stream in container.streams.audio if stream.codec_context is not None]
        pictures = next((s for s in container.streams.video if s.index == picture_index), None)
        for stream in known:
            prepare(stream)
        candidates = _of_programme(container, known, pictures)
        if track != AUTO and int(track) <= len(known):
            candidates = [known[int(track) - 1]]
        elif len(candidates) > 1:
            candidates = _main(_in_language(candidates, language))
        if not candidates:
            return ChosenTracks((), len(known))
        heard = _listen(container, candidates, deadline)
        chosen = _sounding(container, candidates, heard, pictures)
        signs = _signs_between([heard[stream.index] for stream in chosen])
        return ChosenTracks(
            tuple(
                Track(
                    index=stream.index,
                    number=known.index(stream) + 1,
                    mix=_mix(heard[stream.index]) if sign > 0 else (sign,),
                    language=_language_of(stream),
                )
                for stream, sign in zip(chosen, signs, strict=True)
            ),
            len(known),
        )


@lru_cache(maxsize=256)
def main_language(code: str) -> str | None:
    """Shortest code of a language: `de` for de-AT, deu and ger; None for undetermined.

    Raises:
        ValueError: If it is not a language code.
    """
    tag = langcodes.standardize_tag(code.strip()).partition("-")[0]
    return None if tag in ("und", "mul", "zxx", "mis") else tag


def mixed(frame: AudioFrame, mix: Mix | None) -> AudioFrame:
    """A frame that FFmpeg can mix: channels are mixed here if that needs weights or they have no order.

    Raises:
        ValueError: If the sample format is not supported.
    """
    n_channels = frame.layout.nb_channels
    if mix is None or len(mix) != n_channels:
        if not _has_no_order(frame):
            return frame
        mix = (1 / n_channels,) * n_channels
    out = AudioFrame.from_ndarray((np.asarray(mix) @ _channels(frame)).astype(np.float32)[None], "fltp", "mono")
    out.sample_rate = frame.sample_rate
    return out


def _has_no_order(frame: AudioFrame) -> bool:
    return " channels" in frame.layout.name


def prepare(stream: AudioStream) -> None:
    """Disables threads and removes the file's own channel order.

    av 17.1 to 18.1 frees such an order twice and aborts: with each frame, and when `layout` or `channels` of such a
    context is read. Files give one to PCM, whose number of channels follows from the bit rate; other decoders set
    their own.
    """
    decode_in_this_thread(stream)
    context = stream.codec_context
    if pcm := _PCM.fullmatch(context.name):
        bits = int(pcm[1] or 8)
        n_channels = round((context.bit_rate or 0) / (context.sample_rate * bits)) if context.sample_rate else 0
        if n_channels:
            context.layout = f"{n_channels} channels" if n_channels > len(_PLAIN) else _PLAIN[n_channels - 1]


def _of_programme(
    container: InputContainer, streams: Sequence[AudioStream], pictures: VideoStream | None
) -> list[AudioStream]:
    """Tracks in the programme of the pictures; all if the file has no programmes."""
    if pictures is None or len(container.streams.video) < 2:
        return list(streams)
    theirs = container.streams.best("audio", pictures)
    partners = {stream.index: container.streams.best("video", stream) for stream in streams}
    own = partners.get(theirs.index) if theirs is not None else None
    return [s for s in streams if (partner := partners[s.index]) is None or own is None or partner.index == own.index]


def _in_language(streams: Sequence[AudioStream], language: str) -> list[AudioStream]:
    if language == AUTO:
        return list(streams)
    wanted = main_language(language)
    return [s for s in streams if _language_of(s) == wanted] or list(streams)


def _language_of(stream: AudioStream) -> str | None:
    with suppress(ValueError):
        return main_language(stream.language or "und")
    return None


def _main(streams: Sequence[AudioStream]) -> list[AudioStream]:
    """Tracks without commentary, audio description and the like, unless there is nothing else."""
    main = [
        s
        for s in streams
        if not s.disposition & _NOT_MAIN
        and not any(_NOT_MAIN_TITLE.search(s.metadata.get(key, "")) for key in ("title", "handler_name", "name"))
    ]
    return main or list(streams)


def _sounding(
    container: InputContainer,
    candidates: Sequence[AudioStream],
    heard: Mapping[int, _Heard],
    pictures: VideoStream | None,
) -> list[AudioStream]:
    """FFmpeg's choice among the candidates with sound, with the tracks that are its other channels."""
    audible = [s for s in candidates if heard[s.index].is_audible]
    sounding = [s for s in audible if not heard[s.index].is_tone] or audible or list(candidates)
    best = container.streams.best("audio", pictures)
    preferred = [s for s in sounding if best is not None and s.index == best.index]
    first = preferred[0] if preferred else max(sounding, key=lambda s: _preference(s, heard[s.index]))
    if heard[first.index].n_channels != 1:
        return [first]
    return [s for s in sounding if s is first or _same_kind(s, first, heard)]


def _preference(stream: AudioStream, heard: _Heard) -> tuple[bool, int, int]:
    marked = bool(stream.disposition & (Disposition.default | Disposition.original))
    return marked, heard.n_channels, -stream.index


def _same_kind(a: AudioStream, b: AudioStream, heard: Mapping[int, _Heard]) -> bool:
    """Whether two tracks may be two channels of one sound."""
    kinds = [(s.codec_context.name, s.codec_context.sample_rate, heard[s.index].n_channels, s.language) for s in (a, b)]
    return kinds[0] == kinds[1]


def _signs_between(tracks: Sequence[_Heard]) -> list[float]:
    """1 or -1 for each mono track: -1 if it would cancel the others."""
    if len(tracks) < 2 or not all(track.spots for track in tracks):
        return [1.0] * len(tracks)
    n = min(track.sound.shape[1] for track in tracks)
    together = np.concatenate([track.sound[:1, :n] for track in tracks])
    return _signs(together).tolist() if _cancels(together) else [1.0] * len(tracks)


def _mix(heard: _Heard) -> Mix | None:
    """Weights if FFmpeg's mixing is unsuitable: channels that cancel, or without a known order."""
    if not heard.spots:
        return None
    cancels = _cancels(heard.sound)
    if not cancels and (heard.order_is_known or heard.n_channels <= len(_PLAIN)):
        return None
    powers = np.square(heard.sound).mean(axis=1)
    sounds = powers > 10 ** (QUIETEST_DBFS / 10)
    signs = _signs(heard.sound) if cancels else np.ones(len(powers))
    weights = np.where(sounds if sounds.any() else True, signs, 0.0)
    return tuple((weights / np.abs(weights).sum()).tolist())


def _cancels(sound: Float64) -> bool:
    """Whether channels of shape (channels, n) cancel each other."""
    return float(np.square(sound.sum(axis=0)).mean()) < _CANCELLED * float(np.square(sound).mean(axis=1).sum())


def _signs(sound: Float64) -> Float64:
    """1 or -1 for each channel, so that none cancels louder ones; shape (channels,)."""
    signs = np.ones(len(sound))
    total = np.zeros(sound.shape[1])
    for channel in np.argsort(-np.square(sound).mean(axis=1), kind="stable"):
        if float(total @ sound[channel]) < 0:
            signs[channel] = -1.0
        total += signs[channel] * sound[channel]
    return signs


def _is_pure(spot: Float64) -> bool:
    powers = np.square(np.abs(np.fft.rfft(spot.mean(axis=0) * np.hanning(spot.shape[1]))))
    peak = int(powers.argmax())
    return bool(powers[max(0, peak - _TONE_BINS) : peak + _TONE_BINS + 1].sum() > _TONE_SHARE * powers.sum())


def _listen(container: InputContainer, streams: Sequence[AudioStream], deadline: Deadline) -> dict[int, _Heard]:
    """Decodes a little of each stream at a few places."""
    heard = {stream.index: _Heard() for stream in streams}
    for place in _places(container):
        parts: dict[int, list[Float64]] = {stream.index: [] for stream in streams}
        lengths_s = dict.fromkeys(parts, 0.0)
        with suppress(FFmpegError, ValueError):
            container.seek(place)
            for index, frame in decode_sound(container, streams, Tally(), deadline):
                if lengths_s[index] < _SPOT_S:
                    parts[index].append(_channels(frame))
                    heard[index].order_is_known = not _has_no_order(frame)
                lengths_s[index] += frame.samples / (frame.sample_rate or 1)
                if min(lengths_s.values()) >= _SPOT_S or lengths_s[index] > _PATIENCE * _SPOT_S:
                    break
        for index, pieces in parts.items():
            if len({len(piece) for piece in pieces}) == 1:
                heard[index].spots.append(np.concatenate(pieces, axis=1))
    for found in heard.values():
        counts = [len(spot) for spot in found.spots]  # the number of channels may change within a stream
        found.spots = [spot for spot in found.spots if len(spot) == max(set(counts), key=counts.count)]
    return heard


def _places(container: InputContainer) -> Iterator[int]:
    """Places to decode, in FFmpeg's time; only the start if the duration is unknown."""
    start, duration = container.start_time or 0, container.duration or 0
    if duration <= 0:
        yield start
        return
    yield from (start + round(duration * (i + 0.5) / _N_SPOTS) for i in range(_N_SPOTS))


def _channels(frame: AudioFrame) -> Float64:
    """Samples of a frame, -1..1, shape (channels, samples)."""
    if frame.format.is_planar and frame.layout.nb_channels >= _MANY_PLANES:
        # av reads out of bounds with so many planes, but not with one.
        packed = AudioResampler(frame.format.packed, frame.layout, frame.sample_rate).resample(frame)
        frame = packed[0]
    samples = frame.to_ndarray()
    values = np.asarray(samples if frame.format.is_planar else samples.reshape(frame.samples, -1).T, np.float64)
    if frame.format.name.startswith("u8"):
        return values / 128 - 1
    return values / _FULL_SCALES.get(frame.format.name.removesuffix("p"), 1.0)
