"""Prints the sheets of a spreadsheet as JSON lines; run as a separate process that imports nothing of the package.

A hostile file can only exhaust this process's memory, which is limited, or crash it.
"""

import datetime
import json
import sys
from typing import Any


def _plain(value: Any) -> Any:
    """A cell for JSON: dates as ISO text, whole numbers without a fraction."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        value = value.date()
    return value if isinstance(value, str | int | float | bool) else str(value)


_MAX_PRINTED = 512 << 20  # characters


def main(path: str, max_bytes: int, max_rows: int) -> int:
    """Prints {"sheet": name}, then [row number, cells] for each row that is not empty, of each visible sheet."""
    n_printed = 0
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (max_bytes, max_bytes))
    except (ImportError, ValueError, OSError):
        pass  # not on this system
    import python_calamine as calamine

    try:
        with calamine.CalamineWorkbook.from_path(path) as book:
            for sheet in book.sheets_metadata:
                if sheet.visible != calamine.SheetVisibleEnum.Visible:
                    continue
                rows = book.get_sheet_by_name(sheet.name)
                print(json.dumps({"sheet": sheet.name}))
                for number, row in enumerate(rows.iter_rows(), start=1):
                    if number > max_rows:
                        break
                    if any(cell != "" for cell in row):
                        line = json.dumps([number, [_plain(cell) for cell in row]])
                        n_printed += len(line)
                        if n_printed > _MAX_PRINTED:
                            print("its cells have too much text for a catalogue", file=sys.stderr)
                            return 1
                        print(line)
    except calamine.PasswordError:
        print("it is protected by a password", file=sys.stderr)
        return 1
    except (calamine.CalamineError, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
