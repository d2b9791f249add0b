"""Settings from the environment, and the pages that document them.

Owns: the names, types, defaults and meaning of every setting. Never: what is built from them.
"""

from guilder.platform.config.documents import env_example, settings_page
from guilder.platform.config.reading import BadSettings, read_settings
from guilder.platform.config.settings import FOLDER_PREFIX, KMS_PREFIX, AppEnv, Settings

__all__ = [
    "FOLDER_PREFIX",
    "KMS_PREFIX",
    "AppEnv",
    "BadSettings",
    "Settings",
    "env_example",
    "read_settings",
    "settings_page",
]
