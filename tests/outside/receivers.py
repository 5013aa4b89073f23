"""Where exported entries arrive: rsyslog over TLS, a collector of OTLP, and whatever takes lines."""

import base64
import datetime
import http.server
import ipaddress
import json
import pathlib
import threading
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from stand import Process, free_port


def certificates(folder):
    """An authority, and by it certificates of `localhost` and of a client; the authority's file."""
    now = datetime.datetime.now(datetime.timezone.utc)
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Logs Test Authority")])

    def begin(subject, public):
        return (
            x509.CertificateBuilder().subject_name(subject).issuer_name(ca_name).public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(now + datetime.timedelta(days=2))
        )

    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    ca = begin(ca_name, ca_key.public_key()).add_extension(x509.BasicConstraints(True, None), True)
    ca = ca.add_extension(usage, True).sign(ca_key, hashes.SHA256())
    names = x509.SubjectAlternativeName(
        [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    )
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    leaf = begin(subject, key.public_key()).add_extension(names, False)
    leaf = leaf.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
    leaf = leaf.sign(ca_key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    client_key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gateway")])
    client = begin(subject, client_key.public_key())
    client = client.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False)
    plain = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "client.pem").write_bytes(client.sign(ca_key, hashes.SHA256()).public_bytes(pem))
    (folder / "client.key").write_bytes(client_key.private_bytes(pem, *plain))
    (folder / "ca.pem").write_bytes(ca.public_bytes(pem))
    (folder / "cert.pem").write_bytes(leaf.public_bytes(pem))
    (folder / "key.pem").write_bytes(key.private_bytes(pem, *plain))
    return folder / "ca.pem"


class Rsyslog:
    """rsyslog as Debian builds it, which takes messages over TLS from whom it knows, and writes what it read."""

    def __init__(self, folder):
        """`folder` has what [`certificates`] made."""
        self.folder = pathlib.Path(folder)
        self.port = free_port()
        self.out = self.folder / "rsyslog.jsonl"
        self.config = self.folder / "rsyslog.conf"
        # Each message with what rsyslog made of its header and of its structured elements.
        self.config.write_text(f"""
global(workDirectory="{self.folder}" maxMessageSize="128k" defaultNetstreamDriver="ossl"
  defaultNetstreamDriverCAFile="{self.folder}/ca.pem" defaultNetstreamDriverCertFile="{self.folder}/cert.pem"
  defaultNetstreamDriverKeyFile="{self.folder}/key.pem" parser.escapeControlCharactersOnReceive="off")
module(load="imtcp" streamDriver.name="ossl" streamDriver.mode="1" streamDriver.authMode="x509/certvalid")
module(load="mmpstrucdata")
input(type="imtcp" port="{self.port}" address="127.0.0.1")
template(name="line" type="list") {{
  constant(value="{{") property(name="timereported" dateFormat="rfc3339" format="jsonf" outname="time")
  constant(value=",") property(name="hostname" format="jsonf") constant(value=",")
  property(name="app-name" format="jsonf") constant(value=",") property(name="msgid" format="jsonf")
  constant(value=",") property(name="pri" format="jsonf") constant(value=",")
  property(name="msg" format="jsonf" outname="message")
  constant(value=",\\"elements\\":") property(name="$!rfc5424-sd") constant(value="}}\\n")
}}
action(type="mmpstrucdata" sd_name.lowercase="off")
action(type="omfile" file="{self.out}" template="line")
""")
        self.process = None

    def start(self):
        self.process = Process(
            ["rsyslogd", "-n", "-f", self.config, "-i", self.folder / "rsyslog.pid"], name="rsyslog"
        )
        self.process.wait_for_port(self.port)
        return self

    def stop(self):
        """As an operator does: it writes what it has read."""
        self.process.child.terminate()
        self.process.child.wait(timeout=20)

    def messages(self):
        if not self.out.exists():
            return []
        return [json.loads(line, strict=False) for line in self.out.read_text().split("\n") if line]


class Receiver:
    """An HTTP server whose mood can be changed: `ok`, `slow`, `later`, `hang_up`, `away`."""

    def __init__(self, path, secret=None):
        self.path, self.secret, self.mood = path, secret, "ok"
        self.bodies, self.problems, self.lock = [], [], threading.Lock()
        self.port = free_port()
        self.server = None

    def start(self):
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                receiver.take(self)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                """A client that was killed is no news here."""

        self.server = Server(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def take(self, request):
        body = request.rfile.read(int(request.headers.get("content-length", 0)))
        mood = self.mood
        wanted = f"Bearer {self.secret}" if self.secret else None
        if request.path != self.path or (wanted and request.headers.get("authorization") != wanted):
            return self.answer(request, 401)
        if mood == "later":
            return self.answer(request, 503, {"Retry-After": "1"})
        if mood == "hang_up":
            request.close_connection = True
            return request.connection.close()
        if mood == "slow":
            time.sleep(0.4)
        with self.lock:
            self.bodies.append(body)
        return self.answer(request, 200, body=self.reply(body))

    def reply(self, _):
        return b""

    @staticmethod
    def answer(request, status, headers=None, body=b""):
        request.send_response(status)
        for name, value in {**(headers or {}), "content-length": str(len(body))}.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(body)

    def records(self):
        with self.lock:
            return [json.loads(line) for body in self.bodies for line in body.decode().split("\n") if line]


class Collector(Receiver):
    """A collector of OTLP that reads requests with OpenTelemetry's own definitions, strictly."""

    def reply(self, body):
        request = json.loads(body)
        for record in self.raw(request):
            # The one thing that OTLP writes otherwise than JSON of protocol buffers does.
            if "traceId" in record:
                record["traceId"] = base64.b64encode(bytes.fromhex(record["traceId"])).decode()
        try:
            json_format.ParseDict(request, logs_service_pb2.ExportLogsServiceRequest())
        except (json_format.ParseError, ValueError) as error:
            self.problems.append(str(error)[:300])
        return b"{}"

    @staticmethod
    def raw(request):
        return [
            record for resource in request["resourceLogs"] for scope in resource["scopeLogs"]
            for record in scope["logRecords"]
        ]

    def records(self):
        with self.lock:
            return [record for body in self.bodies for record in self.raw(json.loads(body))]
