"""Every kind of notification has its picture in the docs, and the page that shows them is what the code says."""

from scripts import draw_first_invoice as first_invoice
from scripts import draw_notifications as pictures

from guilder.domain.notifications.model import Kind


def test_every_kind_is_drawn_and_the_page_is_not_stale():
    assert pictures.stale() == [], "python scripts/draw_notifications.py draws them anew"


def test_pictures_are_pictures_of_the_width_of_a_mail():
    for kind in Kind:
        head = (pictures.FOLDER / f"{kind.value}.png").read_bytes()[:24]
        assert head.startswith(b"\x89PNG"), kind
        assert int.from_bytes(head[16:20]) == pictures.WIDTH, kind


def test_what_is_missing_or_left_over_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "FOLDER", tmp_path)
    (tmp_path / "spam.png").write_bytes(b"")
    said = pictures.stale()
    assert "missing: apology.png" in said
    assert "left over: spam.png" in said
    assert "stale: README.md" in said


def test_the_readme_shows_the_first_invoice():
    shown = first_invoice.PICTURE
    assert f"]({shown.relative_to(shown.parents[2])})" in (shown.parents[2] / "README.md").read_text()
    assert shown.stat().st_size <= first_invoice.BYTES_MAX
