"""All scenarios."""
import basics  # noqa: F401
import clusters  # noqa: F401
import discovery  # noqa: F401
import extensions  # noqa: F401
import lives  # noqa: F401
import policies  # noqa: F401
import services  # noqa: F401
import troubles  # noqa: F401
from scenario import ALL  # noqa: F401
