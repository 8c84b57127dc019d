from __future__ import annotations

import subprocess
import sys


def test_the_store_is_loaded_without_the_client_of_remote_catalogues() -> None:
    program = (
        "import sys; from knowhub.index.loading import load_lancedb; load_lancedb();"
        " print([m for m in sys.modules if m.startswith('lance_namespace_urllib3_client.api.')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_store_that_is_loaded_already_is_taken_as_it_is() -> None:
    program = (
        "import lancedb; from knowhub.index.loading import load_lancedb; assert load_lancedb() is lancedb;"
        " import lance_namespace_urllib3_client; assert lance_namespace_urllib3_client.ApiClient"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
