"""Write the two pages made from the settings; tests/house/test_settings_documented.py says when they are stale."""

from pathlib import Path

from guilder.platform.config import Settings, env_example, settings_page

ROOT = Path(__file__).parents[1]

if __name__ == "__main__":
    (ROOT / ".env.example").write_text(env_example(Settings))
    (ROOT / "docs/howto/settings.md").write_text(settings_page(Settings))
