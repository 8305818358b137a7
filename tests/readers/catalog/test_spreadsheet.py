import zipfile
from pathlib import Path
from xml.sax.saxutils import escape

import pytest

from cinegrain.errors import ConfigError
from cinegrain.readers.catalog import spreadsheet
from cinegrain.readers.catalog.read import CatalogRow, read_catalog

Cells = dict[str, str | float]
HEAD = '<?xml version="1.0" encoding="UTF-8"?>'
MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
R = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"


def write_xlsx(path: Path, sheets: dict[str, Cells]) -> Path:
    """The least that is an .xlsx: cells by address, a sheet whose name begins with _ being hidden."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as book:
        book.writestr("[Content_Types].xml", f'{HEAD}<Types xmlns="{PACKAGE}/content-types"/>')
        target = f'<Relationship Id="r" Type="{R}/officeDocument" Target="xl/workbook.xml"/>'
        book.writestr("_rels/.rels", f'{HEAD}<Relationships xmlns="{PACKAGE}/relationships">{target}</Relationships>')
        names = "".join(
            f'<sheet name="{name}" sheetId="{i}" r:id="r{i}" state="{"hidden" if name[0] == "_" else "visible"}"/>'
            for i, name in enumerate(sheets, start=1)
        )
        book.writestr("xl/workbook.xml", f'{HEAD}<workbook {MAIN} xmlns:r="{R}"><sheets>{names}</sheets></workbook>')
        links = "".join(
            f'<Relationship Id="r{i}" Type="{R}/worksheet" Target="worksheets/sheet{i}.xml"/>'
            for i in range(1, len(sheets) + 1)
        )
        book.writestr(
            "xl/_rels/workbook.xml.rels",
            f'{HEAD}<Relationships xmlns="{PACKAGE}/relationships">{links}</Relationships>',
        )
        for i, cells in enumerate(sheets.values(), start=1):
            rows = "".join(_cell(address, value) for address, value in cells.items())
            book.writestr(
                f"xl/worksheets/sheet{i}.xml", f"{HEAD}<worksheet {MAIN}><sheetData>{rows}</sheetData></worksheet>"
            )
    return path


def _cell(address: str, value: str | float) -> str:
    row = address.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    if isinstance(value, str):
        return f'<row r="{row}"><c r="{address}" t="inlineStr"><is><t>{escape(value)}</t></is></c></row>'
    return f'<row r="{row}"><c r="{address}"><v>{value}</v></c></row>'


def write_ods(path: Path, rows: list[list[str]]) -> Path:
    office = "urn:oasis:names:tc:opendocument:xmlns"
    text = "".join(
        "<table:table-row>"
        + "".join(f'<table:table-cell office:value-type="string"><text:p>{c}</text:p></table:table-cell>' for c in row)
        + "</table:table-row>"
        for row in rows
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as book:
        book.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        book.writestr("META-INF/manifest.xml", f'{HEAD}<manifest:manifest xmlns:manifest="{office}:manifest:1.0"/>')
        book.writestr(
            "content.xml",
            f'{HEAD}<office:document-content xmlns:office="{office}:office:1.0" xmlns:table="{office}:table:1.0" '
            f'xmlns:text="{office}:text:1.0"><office:body><office:spreadsheet><table:table table:name="Films">{text}'
            "</table:table></office:spreadsheet></office:body></office:document-content>",
        )
    return path


def test_the_sheet_of_films_is_read(tmp_path: Path) -> None:
    films: Cells = {
        "A2": "Our films",
        "A4": "Datei",
        "B4": "Titel",
        "C4": "Jahr",
        "D4": "genres",
        "A5": "a.mp4",
        "B5": 1917.0,
        "C5": 2019.0,
        "D5": "War\nDrama",
        "A7": "b.mp4",
        "B7": "B & C",
        "D7": "Krimi",
    }
    hidden: Cells = {"A1": "file", "B1": "genres", "C1": "title", "D1": "year", "E1": "trailer_id"}
    write_xlsx(tmp_path / "t.xlsx", {"Info": {"A1": "Read me"}, "_old": hidden, "Films": films})
    found = read_catalog(tmp_path / "t.xlsx")
    assert found.rows == (
        CatalogRow("a.mp4", ("War", "Drama"), "a.mp4", "1917", 2019, {}),
        CatalogRow("b.mp4", ("Crime",), "b.mp4", "B & C", None, {}),
    )
    assert "the sheet 'Films' is read; others are not: Info" in found.notes
    (tmp_path / "t.csv").write_bytes((tmp_path / "t.xlsx").read_bytes())
    assert read_catalog(tmp_path / "t.csv").rows == found.rows, "told by its content, not by its name"


def test_ods(tmp_path: Path) -> None:
    path = write_ods(tmp_path / "t.ods", [["file", "genres"], ["a.mp4", "Drama; War"], ["b.mp4", ""]])
    assert [(row.file, row.genres) for row in read_catalog(path).rows] == [("a.mp4", ("Drama", "War")), ("b.mp4", ())]


def test_notes_name_the_row_of_the_sheet(tmp_path: Path) -> None:
    cells: Cells = {"A3": "file", "B3": "genres", "B9": "Drama", "A10": "a", "B10": "Drama"}
    found = read_catalog(write_xlsx(tmp_path / "t.xlsx", {"S": cells}))
    assert "catalogue row 9 names no file and is left out" in found.notes


def test_spreadsheets_that_would_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cells: Cells = {"A1": "file", "B1": "genres", "XFD1048576": "x"}
    with pytest.raises(ConfigError, match=r"far\.xlsx cannot be read .* needs too much memory"):
        read_catalog(write_xlsx(tmp_path / "far.xlsx", {"S": cells}))
    monkeypatch.setattr(spreadsheet, "MAX_UNPACKED_BYTES", 100_000)
    with pytest.raises(ConfigError, match="unpacks to more than 100,000 bytes"):
        read_catalog(write_xlsx(tmp_path / "bomb.xlsx", {"S": {"A1": "a" * 100_000}}))


def test_a_zip_that_lies_about_its_size(tmp_path: Path) -> None:
    path = write_xlsx(tmp_path / "t.xlsx", {"S": {"A1": "a" * 100_000}})
    content = bytearray(path.read_bytes())
    at = content.rindex(b"xl/worksheets/sheet1.xml") - 46  # its entry in the central directory
    content[at + 24 : at + 28] = (1000).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="is damaged"):
        read_catalog(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.xlsx", b"file,genres\n", "cannot be read as a spreadsheet"),
        ("t.xls", b"\xd0\xcf\x11\xe0" + bytes(600), "cannot be read as a spreadsheet"),
        ("t.xlsx", b"PK\x03\x04" + bytes(100), "cannot be read as a spreadsheet"),
    ],
)
def test_what_is_no_spreadsheet(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        read_catalog(tmp_path / name)


def test_an_archive_is_told_from_a_spreadsheet(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "films.zip", "w") as archive:
        archive.writestr("films.csv", "file,genres\n")
    with pytest.raises(ConfigError, match=r"is a zip archive \(films\.csv\)\. Unpack it"):
        read_catalog(tmp_path / "films.zip")
