"""Uploaded videos: stored in the run folder, and predicted one by one in another process."""

import asyncio
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from cinegrain.errors import CinegrainError, NotFoundError
from cinegrain.media.files import is_video_name, plain_text
from cinegrain.results import from_json
from cinegrain.runs.layout import Run
from cinegrain.types import JsonObject
from cinegrain.web.replies import UploadAnswer, UploadState, UploadView

FOLDER = "uploads"
MAX_WAITING = 8
_MOST_A_MINUTE = 12
_MAX_NAME_CHARS = 120
_SNIFFED_BYTES = 4096
_POLL_S = 0.1
_LONGEST_SILENCE_S = 30.0
_LEFT_FREE_BYTES = 1 << 30


class RefusedError(CinegrainError):
    """An upload that is refused; `status` is the HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Limits:
    """Limits of one upload.

    Attributes:
        n_bytes: Size of the file.
        seconds: Time for prediction; then its process is stopped.
        seconds_to_come: Time for the transfer; pauses may last at most half a minute.
    """

    n_bytes: int = 2 * 10**9
    seconds: float = 900.0
    seconds_to_come: float = 3600.0


@dataclass(eq=False)
class Upload:
    """One video and its state."""

    id: str
    name: str
    file: Path
    state: UploadState = "receiving"
    message: str = ""
    n_bytes: int = 0
    answer: UploadAnswer | None = None
    trailer_id: str | None = None
    stop: threading.Event = field(default_factory=threading.Event)

    def view(self, n_before: int) -> UploadView:
        """As a response; `n_before` uploads are processed first."""
        return UploadView(
            id=self.id,
            name=self.name,
            state=self.state,
            message=self.message,
            n_bytes=self.n_bytes,
            n_before=n_before,
            answer=self.answer,
            trailer_id=self.trailer_id,
        )


class Uploads:
    """Queue of uploads.

    A file that crashes or hangs its process affects no other; only uploads that join the atlas write outside of
    `RUN/uploads`.
    """

    def __init__(self, run: Run, limits: Limits, joined: Collection[Path] = ()) -> None:
        """Starts with an empty queue; deletes files that a killed server left behind.

        Args:
            run: The run.
            limits: Limits of each upload.
            joined: Videos of the atlas; uploads among them are kept.
        """
        self._run, self.limits = run, limits
        self._folder = run.folder.resolve() / FOLDER
        self._all: dict[str, Upload] = {}
        self._queue: deque[Upload] = deque()
        self._lock = threading.Lock()
        self._more = threading.Condition(self._lock)
        self._begun: deque[float] = deque(maxlen=_MOST_A_MINUTE)
        self._closed = False
        self._looking: subprocess.Popen[bytes] | None = None
        self._own = FileLock(run.folder / ".uploads.lock", thread_local=False)
        self._clean({path.parent.name for path in joined})
        self._worker = threading.Thread(target=self._work, daemon=True, name="uploads")
        self._worker.start()

    def close(self) -> None:
        """Stops all work; uploads that did not join are deleted."""
        with self._lock:
            self._closed = True
            for upload in self._all.values():
                upload.stop.set()
            self._more.notify_all()
        self._worker.join(timeout=10)
        for upload in self._all.values():
            if upload.state not in ("joining", "joined"):
                shutil.rmtree(upload.file.parent, ignore_errors=True)
        self._own.release()

    def get(self, id_: str) -> UploadView:
        """State of an upload.

        Raises:
            NotFoundError: If there is none of this id.
        """
        upload = self._find(id_)
        with self._lock:
            return upload.view(self._queue.index(upload) if upload in self._queue else 0)

    def all(self) -> list[UploadView]:
        """Every upload since the server started, latest first."""
        with self._lock:
            places = {upload: i for i, upload in enumerate(self._queue)}
            return [upload.view(places.get(upload, 0)) for upload in reversed(self._all.values())]

    def file(self, id_: str) -> Path:
        """Its video.

        Raises:
            NotFoundError: If there is none.
        """
        upload = self._find(id_)
        if not upload.file.is_file():
            raise NotFoundError("This upload's video no longer exists.")
        return upload.file

    async def receive(self, name: str, chunks: AsyncIterator[bytes], announced: int | None) -> UploadView:
        """Receives a video and queues it; one that is cancelled meanwhile stays in the list.

        Args:
            name: Name of the file; its last part is used, sanitised.
            chunks: Its content.
            announced: Announced size in bytes, if any.

        Raises:
            RefusedError: If it is too large, not a video, too slow, or too many are waiting.
        """
        upload = self._begin(name, announced)
        part = upload.file.with_name(upload.file.name + ".part")
        try:
            with part.open("xb") as file:
                async for chunk in _in_time(chunks, self.limits.seconds_to_come):
                    upload.n_bytes += len(chunk)
                    self._check_size(upload.n_bytes)
                    if upload.n_bytes - len(chunk) < _SNIFFED_BYTES:
                        _check_kind(chunk, at=upload.n_bytes - len(chunk))
                    _check_goes_on(upload)
                    file.write(chunk)
            if not upload.n_bytes:
                raise RefusedError(422, "The file is empty.")
            part.rename(upload.file)
            with self._lock:
                _check_goes_on(upload)
                upload.state = "waiting"
                self._queue.append(upload)
                self._more.notify_all()
        except BaseException as error:
            self._forget(upload)
            if isinstance(error, OSError):
                raise RefusedError(507, f"The file cannot be stored: {error.strerror or error}.") from error
            if not (isinstance(error, RefusedError) and upload.state == "cancelled"):
                raise
        return self.get(upload.id)

    def cancel(self, id_: str) -> UploadView:
        """Stops an upload and deletes its file.

        Raises:
            NotFoundError: If there is none of this id.
            RefusedError: If it has joined.
        """
        upload = self._find(id_)
        with self._lock:
            if upload.state in ("joining", "joined"):
                raise RefusedError(409, "It has joined the atlas, which needs its file.")
            upload.stop.set()
            if upload in self._queue:
                self._queue.remove(upload)
            working = upload.state in ("receiving", "looking")
            upload.state = "cancelled"
        if not working:
            shutil.rmtree(upload.file.parent, ignore_errors=True)
        return self.get(id_)

    def join(self, id_: str) -> UploadView:
        """Queues an upload with a prediction to join the atlas.

        Raises:
            NotFoundError: If there is none of this id.
            RefusedError: If it has no answer.
        """
        upload = self._find(id_)
        with self._lock:
            if upload.state != "done":
                raise RefusedError(409, "Only a film with a prediction can join the atlas.")
            upload.state, upload.message = "joining", ""
            self._queue.append(upload)
            self._more.notify_all()
        return self.get(id_)

    def _clean(self, joined: Collection[str]) -> None:
        """Deletes old files, unless another server is running for this run."""
        with suppress(Timeout, OSError):
            self._own.acquire(timeout=0)
            for left in self._folder.glob("*"):
                if left.name not in joined:
                    shutil.rmtree(left, ignore_errors=True)

    def _find(self, id_: str) -> Upload:
        with self._lock:
            if id_ not in self._all:
                raise NotFoundError("There is no such upload; uploads are deleted when the server stops.")
            return self._all[id_]

    def _begin(self, name: str, announced: int | None) -> Upload:
        safe = _safe_name(name)
        if not is_video_name(Path(safe)):
            raise RefusedError(415, f"{safe!r} does not have the extension of a video, such as .mp4, .mkv or .webm.")
        self._check_size(announced or 0)
        with self._lock:
            now = time.monotonic()
            if len(self._begun) == _MOST_A_MINUTE and now - self._begun[0] < 60:
                raise RefusedError(429, f"More than {_MOST_A_MINUTE} uploads in a minute. Wait a moment.")
            if sum(u.state in ("receiving", "waiting", "looking") for u in self._all.values()) >= MAX_WAITING:
                raise RefusedError(429, f"{MAX_WAITING} films are waiting already. Try again later.")
            self._begun.append(now)
            id_ = secrets.token_hex(8)
            upload = Upload(id_, safe, self._folder / id_ / safe)
            try:
                upload.file.parent.mkdir(parents=True)
            except OSError as error:
                raise RefusedError(507, f"The run folder cannot be written: {error.strerror or error}.") from error
            self._all[id_] = upload
        return upload

    def _check_size(self, n_bytes: int) -> None:
        if n_bytes > self.limits.n_bytes:
            raise RefusedError(
                413, f"The file is larger than {self.limits.n_bytes / 1e6:.0f} MB, the limit of this server."
            )
        if n_bytes and shutil.disk_usage(self._run.folder).free < _LEFT_FREE_BYTES + 1:
            raise RefusedError(507, "The disk is nearly full. Free some space, then try again.")

    def _forget(self, upload: Upload) -> None:
        """Deletes its file, and removes it from the list unless it was cancelled."""
        shutil.rmtree(upload.file.parent, ignore_errors=True)
        with self._lock:
            if upload.state != "cancelled":
                self._all.pop(upload.id, None)

    def _work(self) -> None:
        while True:
            with self._lock:
                while not self._queue and not self._closed:
                    self._more.wait()
                if self._closed:
                    break
                upload = self._queue.popleft()
                joins = upload.state == "joining"
                upload.state = "joining" if joins else "looking"
            found = self._ask("assign" if joins else "predict", upload)
            with self._lock:
                self._end(upload, found, joins=joins)
        self._end_process()

    def _end(self, upload: Upload, found: JsonObject, *, joins: bool) -> None:
        upload.message = plain_text(found.get("reason", ""))
        if upload.state == "cancelled":
            upload.message = ""
            shutil.rmtree(upload.file.parent, ignore_errors=True)
        elif "answer" not in found:
            upload.state = "done" if joins else "failed"  # a film that could not join keeps its prediction
        elif joins:
            upload.state, upload.trailer_id = "joined", found["answer"]["trailer_id"]
        else:
            upload.state, upload.answer = "done", from_json(UploadAnswer, found["answer"])

    def _ask(self, command: str, upload: Upload) -> JsonObject:
        """Response of the other process: `answer`, or the `reason` of a failure."""
        was_warm = self._looking is not None
        found = self._ask_once(command, upload)
        if found is None and was_warm:  # it may have died before this film
            found = self._ask_once(command, upload)
        return found or {"reason": "The process reading it died: a crash, or out of memory."}

    def _ask_once(self, command: str, upload: Upload) -> JsonObject | None:
        """The same; None if the process dies by itself."""
        process, over, timer_s, heard = self._process(), threading.Event(), self.limits.seconds, dict[str, Any]()
        killer = _Killer(process, upload.stop, over, timer_s)
        killer.start()
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(OSError):  # it has died
            process.stdin.write(json.dumps({"command": command, "file": str(upload.file)}).encode() + b"\n")
            process.stdin.flush()
        for line in process.stdout:
            with suppress(ValueError):
                heard = json.loads(line)
            upload.message = heard.get("stage", "")
            if "answer" in heard or "reason" in heard:
                break
        over.set()
        killer.join()
        answered = "answer" in heard or "reason" in heard
        if killer.killed or not answered:
            self._end_process()
        if upload.stop.is_set():
            return {"reason": ""}
        if not answered and killer.killed:
            return {"reason": f"It was stopped: it took longer than {timer_s:g} s."}
        return heard if answered else None

    def _process(self) -> "subprocess.Popen[bytes]":
        """The process that answers, started if it is not running."""
        if self._looking is None or self._looking.poll() is not None:
            self._end_process()
            args = [sys.executable, "-m", "cinegrain.web.film_worker", str(self._run.folder), str(os.getpid())]
            self._looking = subprocess.Popen(
                args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        return self._looking

    def _end_process(self) -> None:
        if self._looking is not None:
            self._looking.kill()
            for pipe in (self._looking.stdin, self._looking.stdout):
                with suppress(OSError):  # unwritten data
                    if pipe is not None:
                        pipe.close()
            self._looking.wait()
            self._looking = None


async def _in_time(chunks: AsyncIterator[bytes], seconds: float) -> AsyncIterator[bytes]:
    """Chunks as they come.

    Raises:
        RefusedError: If a pause or the whole transfer takes too long.
    """
    until = time.monotonic() + seconds
    while True:
        try:
            left = max(0.0, until - time.monotonic())
            chunk = await asyncio.wait_for(anext(chunks), min(_LONGEST_SILENCE_S, left))
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            raise RefusedError(408, "The upload took too long. Try again on a faster connection.") from error
        yield chunk


class _Killer(threading.Thread):
    """Kills a process after a time limit or on request, until `over` is called."""

    def __init__(
        self, process: "subprocess.Popen[bytes]", stop: threading.Event, over: threading.Event, seconds: float
    ) -> None:
        super().__init__(daemon=True)
        self.killed = False
        self._process, self._stop_it, self._is_over = process, stop, over
        self._until = time.monotonic() + seconds

    def run(self) -> None:
        while not self._is_over.wait(_POLL_S):
            if self._stop_it.is_set() or time.monotonic() > self._until:
                self.killed = True
                self._process.kill()
                return


def _safe_name(name: str) -> str:
    """The last part of a path, without problematic characters."""
    last = re.split(r"[/\\]", name)[-1]
    plain = "".join(c if c.isprintable() and c not in '<>:"|?*' else "_" for c in last).strip(" .")
    stem, dot, ending = plain.rpartition(".")
    return f"{stem[:_MAX_NAME_CHARS]}{dot}{ending[:10]}" if dot else plain[:_MAX_NAME_CHARS] or "film"


def _check_goes_on(upload: Upload) -> None:
    """Raises if work should stop.

    Raises:
        RefusedError: If the upload was cancelled or the server closes.
    """
    if upload.stop.is_set():
        raise RefusedError(409, "The upload was cancelled.")


def _check_kind(chunk: bytes, *, at: int) -> None:
    """Checks the first bytes, before a file that is not a video fills the disk.

    Raises:
        RefusedError: If it is text, a picture, a program or an archive.
    """
    if at:
        return
    head = chunk[:_SNIFFED_BYTES]
    known = (b"\x7fELF", b"MZ", b"PK\x03\x04", b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"%PDF", b"#!", b"\x1f\x8b", b"<")
    if head.lstrip().startswith(known) or (head and all(32 <= byte < 127 or byte in (9, 10, 13) for byte in head)):
        raise RefusedError(415, "This is not a video: its content is that of another kind of file.")
