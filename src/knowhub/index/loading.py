"""Imports LanceDB without the client of its catalogue service, which takes longer to load than all the rest."""

from __future__ import annotations

import importlib.util
import sys
import types
from typing import Any

_CLIENT = "lance_namespace_urllib3_client"


def load_lancedb() -> Any:
    """The module `lancedb`.

    It imports a few data classes of the generated client for remote catalogues. Running that package's `__init__`
    builds some four hundred validated methods, half a second that nobody here uses; an empty package in its place
    lets the submodules be imported all the same.
    """
    if "lancedb" not in sys.modules and _CLIENT not in sys.modules:
        found = importlib.util.find_spec(_CLIENT)
        if found is not None and found.submodule_search_locations:
            package = types.ModuleType(_CLIENT)
            package.__spec__ = found
            package.__path__ = list(found.submodule_search_locations)
            sys.modules[_CLIENT] = package
    import lancedb

    return lancedb
