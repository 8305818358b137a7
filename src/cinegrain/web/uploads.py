"""Videos that people bring: kept in the run folder, looked at one after the other in another process, kept warm."""

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
_MOST_WAITING = 8
_MOST_A_MINUTE = 12
_LONGEST_NAME = 120
_SNIFFED_BYTES = 4096
_POLL_S = 0.1
_LONGEST_SILENCE_S = 30.0
_LEFT_FREE_BYTES = 1 << 30


class RefusedError(CinegrainError):
    """An upload that is not taken; `status` is the HTTP status that says why."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Limits:
    """What one upload may cost.

    Attributes:
        n_bytes: Of its file.
        seconds: Of looking and listening; afterwards its process is stopped.
        seconds_to_come: From its first byte to its last; of silence between, half a minute is the most.
    """

    n_bytes: int = 2 * 10**9
    seconds: float = 900.0
    seconds_to_come: float = 3600.0


@dataclass(eq=False)
class Upload:
    """One video and what has become of it."""

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
        """For the page; `n_before` uploads are looked at first."""
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
    """The queue.

    A file that kills, hangs or floods its process costs itself; nothing outside `RUN/uploads` is written, but by an
    upload that joins the atlas.
    """

    def __init__(self, run: Run, limits: Limits, joined: Collection[Path] = ()) -> None:
        """Begins empty; what a server that was killed left behind is taken away.

        Args:
            run: Whose.
            limits: Of each upload.
            joined: Videos of the atlas: those among them that were uploads are kept, wherever the run lay then.
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
        """Stops whatever is under way; films that did not join are forgotten."""
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
        """An upload as it stands.

        Raises:
            NotFoundError: If there is none of this id.
        """
        upload = self._find(id_)
        with self._lock:
            return upload.view(self._queue.index(upload) if upload in self._queue else 0)

    def all(self) -> list[UploadView]:
        """Every upload since the server started, the last one first."""
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
            raise NotFoundError("This upload's video is no longer there.")
        return upload.file

    async def receive(self, name: str, chunks: AsyncIterator[bytes], announced: int | None) -> UploadView:
        """Takes a video in and puts it into the queue; one that is cancelled meanwhile stays in the list as such.

        Args:
            name: What the visitor calls the file; only its last part counts, made harmless.
            chunks: Its bytes.
            announced: How many bytes the visitor says it has, if they say.

        Raises:
            RefusedError: If it is too large, no video, too slow to come, or too many are waiting.
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
                raise RefusedError(507, f"The file cannot be kept: {error.strerror or error}.") from error
            if not (isinstance(error, RefusedError) and upload.state == "cancelled"):
                raise
        return self.get(upload.id)

    def cancel(self, id_: str) -> UploadView:
        """Stops an upload and takes its file away; one that has joined the atlas stays.

        Raises:
            NotFoundError: If there is none of this id.
            RefusedError: If it has joined.
        """
        upload = self._find(id_)
        with self._lock:
            if upload.state in ("joining", "joined"):
                raise RefusedError(409, "It has joined the atlas. Its file stays, for the atlas' sake.")
            upload.stop.set()
            if upload in self._queue:
                self._queue.remove(upload)
            working = upload.state in ("receiving", "looking")
            upload.state = "cancelled"
        if not working:
            shutil.rmtree(upload.file.parent, ignore_errors=True)
        return self.get(id_)

    def join(self, id_: str) -> UploadView:
        """Puts an upload that has an answer into the atlas, in its turn.

        Raises:
            NotFoundError: If there is none of this id.
            RefusedError: If it has no answer.
        """
        upload = self._find(id_)
        with self._lock:
            if upload.state != "done":
                raise RefusedError(409, "Only a film that has been looked at can join the atlas.")
            upload.state, upload.message = "joining", ""
            self._queue.append(upload)
            self._more.notify_all()
        return self.get(id_)

    def _clean(self, joined: Collection[str]) -> None:
        """Unless another server is at work on this run."""
        with suppress(Timeout, OSError):
            self._own.acquire(timeout=0)
            for left in self._folder.glob("*"):
                if left.name not in joined:
                    shutil.rmtree(left, ignore_errors=True)

    def _find(self, id_: str) -> Upload:
        with self._lock:
            if id_ not in self._all:
                raise NotFoundError("There is no such upload; uploads are forgotten when the server stops.")
            return self._all[id_]

    def _begin(self, name: str, announced: int | None) -> Upload:
        safe = _safe_name(name)
        if not is_video_name(Path(safe)):
            raise RefusedError(415, f"{safe!r} is not named like a video. Bring one such as .mp4, .mkv or .webm.")
        self._check_size(announced or 0)
        with self._lock:
            now = time.monotonic()
            if len(self._begun) == _MOST_A_MINUTE and now - self._begun[0] < 60:
                raise RefusedError(429, f"More than {_MOST_A_MINUTE} uploads in a minute. Wait a little.")
            if sum(u.state in ("receiving", "waiting", "looking") for u in self._all.values()) >= _MOST_WAITING:
                raise RefusedError(429, f"{_MOST_WAITING} films are waiting already. Come back when some are done.")
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
                413, f"The file is larger than {self.limits.n_bytes / 1e6:.0f} MB, the most that this server takes."
            )
        if n_bytes and shutil.disk_usage(self._run.folder).free < _LEFT_FREE_BYTES + 1:
            raise RefusedError(507, "The disk is nearly full. Make room, then try again.")

    def _forget(self, upload: Upload) -> None:
        """Takes away what has come of it; it leaves the list too, unless someone cancelled it and wants to see so."""
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
            upload.state = "done" if joins else "failed"  # a film that could not join keeps its answer
        elif joins:
            upload.state, upload.trailer_id = "joined", found["answer"]["trailer_id"]
        else:
            upload.state, upload.answer = "done", from_json(UploadAnswer, found["answer"])

    def _ask(self, command: str, upload: Upload) -> JsonObject:
        """What another process says of the file: `answer`, or `reason` why there is none."""
        was_warm = self._looking is not None
        found = self._ask_once(command, upload)
        if found is None and was_warm:  # perhaps it was gone before it heard of this film
            found = self._ask_once(command, upload)
        return found or {"reason": "The process reading it died: a crash, or out of memory."}

    def _ask_once(self, command: str, upload: Upload) -> JsonObject | None:
        """The same; None if the process dies of itself."""
        process, over, timer_s, heard = self._process(), threading.Event(), self.limits.seconds, dict[str, Any]()
        killer = _Killer(process, upload.stop, over, timer_s)
        killer.start()
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(OSError):  # it died meanwhile, which its silence shows
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
        """The process that answers: the one that answered last, unless it is gone."""
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
                with suppress(OSError):  # what could not be written any more
                    if pipe is not None:
                        pipe.close()
            self._looking.wait()
            self._looking = None


async def _in_time(chunks: AsyncIterator[bytes], seconds: float) -> AsyncIterator[bytes]:
    """The chunks as they come.

    Raises:
        RefusedError: If nothing comes for long, or all of it takes too long.
    """
    until = time.monotonic() + seconds
    while True:
        try:
            left = max(0.0, until - time.monotonic())
            chunk = await asyncio.wait_for(anext(chunks), min(_LONGEST_SILENCE_S, left))
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            raise RefusedError(408, "The film took too long to come. Try again on a faster connection.") from error
        yield chunk


class _Killer(threading.Thread):
    """Ends a process that takes too long for what it is asked, or when somebody says so, until that is `over`."""

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
    """The last part of a path, without what a file system or a person might stumble over."""
    last = re.split(r"[/\\]", name)[-1]
    plain = "".join(c if c.isprintable() and c not in '<>:"|?*' else "_" for c in last).strip(" .")
    stem, dot, ending = plain.rpartition(".")
    return f"{stem[:_LONGEST_NAME]}{dot}{ending[:10]}" if dot else plain[:_LONGEST_NAME] or "film"


def _check_goes_on(upload: Upload) -> None:
    """Breaks off what is no longer wanted.

    Raises:
        RefusedError: If the upload was cancelled or the server closes.
    """
    if upload.stop.is_set():
        raise RefusedError(409, "The upload was cancelled.")


def _check_kind(chunk: bytes, *, at: int) -> None:
    """Refuses text, pictures, programs and archives by their first bytes, before they fill the disk.

    Raises:
        RefusedError: If it is one of them; whether it is a film is only known when it is decoded.
    """
    if at:
        return
    head = chunk[:_SNIFFED_BYTES]
    known = (b"\x7fELF", b"MZ", b"PK\x03\x04", b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"%PDF", b"#!", b"\x1f\x8b", b"<")
    if head.lstrip().startswith(known) or (head and all(32 <= byte < 127 or byte in (9, 10, 13) for byte in head)):
        raise RefusedError(415, "This is no video: its first bytes are those of another kind of file.")
