"""LiteLLM's authentication for the tests, which runs inside its proxy.

LiteLLM's own keys need a database. Here a key's name says what it may do; what it may not do, and
how that is worded, is up to LiteLLM.
"""

from __future__ import annotations

from typing import Any

import litellm  # type: ignore[import-not-found]
from litellm.proxy._types import UserAPIKeyAuth  # type: ignore[import-not-found]


async def user_api_key_auth(request: Any, api_key: str) -> Any:
    """Returns what a key may do."""
    if api_key == "sk-good":
        return UserAPIKeyAuth(api_key=api_key)
    if api_key == "sk-three-a-minute":
        return UserAPIKeyAuth(api_key=api_key, rpm_limit=3)
    if api_key == "sk-without-budget":
        raise litellm.BudgetExceededError(current_cost=0.02, max_budget=0.01)
    raise ValueError("Invalid key")
