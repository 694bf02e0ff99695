"""An OCSP responder for the certificates of pki.py, by HTTP, that answers as it is told and counts who asks.

    with Responder(pki) as r:
        cert = pki.leaf(MX, ocsp=r.url("revoked"))     # what it says stands in the URL
        r.count(cert)
"""
import http.server
import threading

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import ocsp

from pki import DAY, NOW

STATUS = {"good": ocsp.OCSPCertStatus.GOOD, "revoked": ocsp.OCSPCertStatus.REVOKED, "unknown": ocsp.OCSPCertStatus.UNKNOWN}


def read(cert):
    with open(cert.chain, "rb") as f:
        return x509.load_pem_x509_certificate(f.read())


class Responder:
    def __init__(self, pki):
        self.pki = pki
        self.asked = []   # serial numbers, in order
        self.stopping = threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.asked.append(ocsp.load_der_ocsp_request(body).serial_number)
                outer.answer(self)

            def log_message(self, *_):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def url(self, says, scheme="http"):
        """`says`: good, revoked, unknown, stale, forged, other, refused, garbage, hang, cut, error."""
        return f"{scheme}://127.0.0.1:{self.server.server_address[1]}/{says}"

    def count(self, cert):
        return self.asked.count(read(cert).serial_number)

    def response(self, serial, says):
        issuer, key = self.pki.foreign if says == "forged" else self.pki.inter
        status = STATUS.get(says, ocsp.OCSPCertStatus.GOOD)
        start = NOW - (60 if says == "stale" else 1) * DAY
        revoked = NOW - DAY if says == "revoked" else None
        cert = next(c for c in self.certs() if c.serial_number == serial)
        if says == "other":
            cert = self.pki.root[0]
        b = ocsp.OCSPResponseBuilder().add_response(cert, self.pki.inter[0], hashes.SHA1(), status, start, start + 7 * DAY,
                                                   revoked, None)
        b = b.responder_id(ocsp.OCSPResponderEncoding.HASH, issuer)
        return b.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)

    def certs(self):
        for path in self.pki.folder.glob("leaf*.pem"):
            yield x509.load_pem_x509_certificate(path.read_bytes())

    def answer(self, h):
        says = h.path.strip("/").split("/")[0]
        status, octets = 200, b""
        if says == "hang":
            self.stopping.wait(60)
            return
        if says == "error":
            status = 500
        elif says == "garbage":
            octets = b"\x30\x82\xff\xff what a responder would never say" * 20
        elif says == "refused":
            octets = ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER).public_bytes(
                serialization.Encoding.DER)
        else:
            octets = self.response(self.asked[-1], says)
        h.send_response(status)
        h.send_header("Content-Type", "application/ocsp-response")
        h.send_header("Content-Length", str(len(octets) + (100 if says == "cut" else 0)))
        h.end_headers()
        h.wfile.write(octets)

    def stop(self):
        self.stopping.set()
        self.server.shutdown()
        self.server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
