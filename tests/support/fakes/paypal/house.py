"""`guilder`, as it is but for one thing: PayPal's certificates are the fake's, for stories told in real processes.

`GUILDER_TEST_PAYPAL_ROOT` names a file with the authority that vouches for them.
"""

import os
from functools import partial
from pathlib import Path

from cryptography import x509

from guilder.domain.gateways.adapters.paypal.client import PayPal
from guilder.domain.gateways.adapters.paypal.signature import Certificates
from guilder.entrypoints.cli import app
from guilder.platform.outside.http import OutboundPolicy
from guilder.wiring import ports

if __name__ == "__main__":
    root = x509.load_pem_x509_certificate(Path(os.environ["GUILDER_TEST_PAYPAL_ROOT"]).read_bytes())
    certificates = Certificates(
        policy=OutboundPolicy(allows_loopback=True),
        origins={"api.sandbox.paypal.com": os.environ["PAYPAL_API_URL"]},
        roots=[root],
    )
    setattr(ports, "PayPal", partial(PayPal, certificates=certificates))  # noqa: B010  (it exports nothing of the sort)
    app()
