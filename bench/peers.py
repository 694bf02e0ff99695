"""Sallyport and those it is measured beside: their configurations, how they are started and ended.

Each is given what makes it comparable: one worker, TLS 1.3 with AES-256-GCM and X25519, an ECDSA P-256
certificate, no log but what it needs (Sallyport writes its own), limits above what is asked of it.
"""
import os
import pathlib
import shutil
import signal
import subprocess

from machine import HOST, PROXY_CPU, Account, Wrong, free_port, listens, pin, raise_limits, tree, wait_until

TLS13 = "TLS_AES_256_GCM_SHA384"
ELSEWHERE = "127.0.1.1"  # of the sink as well: what is sent there goes through a transparent proxy
GATEWAY, SINK = "gw.bench.example", "sink.bench.example"


class Missing(Exception):
    """This one can't take part; the text says why."""


class Front:
    """Where a generator is to connect to, and whether it begins TLS there. `port`: what the proxy listens on."""

    def __init__(self, port, tls):
        self.port, self.tls = port, tls
        self.to = f"{HOST}:{port}"


class Proxy:
    """`fronts` by topology: "both" (TLS on both legs), "half" (to the client alone), "clear" (none), "pass" (end to end)."""

    name = title = program = None
    needs_root = False

    def __init__(self, world, only=None):
        """`only`: this front alone is opened."""
        self.world = world
        self.folder = world.fresh_folder(self.name)
        self.process = None
        self.account = None
        self.fronts = {key: Front(free_port(), tls) for key, tls in self.offers().items() if only in (None, key)}
        if shutil.which(self.program) is None and not os.path.exists(self.program):
            raise Missing(f"{self.program} is not installed")
        if self.needs_root and os.geteuid() != 0:
            raise Missing(f"{self.title} can only be started by root")

    def offers(self):
        raise NotImplementedError

    def command(self):
        raise NotImplementedError

    def port(self, key):
        return self.fronts[key].port if key in self.fronts else free_port()

    def write(self, name, text):
        (self.folder / name).write_text(text)
        return self.folder / name

    def begin(self):
        self.account.enter()
        raise_limits()
        pin(PROXY_CPU)

    def start(self):
        command = self.command()
        self.account = Account()
        with open(self.folder / "out", "wb") as out:
            self.process = subprocess.Popen(command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=out,
                                            stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=self.begin)
        self.account.leader = self.process.pid
        if not wait_until(lambda: not self.still_there() or self.ready()) or not self.still_there():
            text = self.output()
            self.stop()
            raise Missing(f"{self.title} does not start: {text[-600:]}")
        return self

    def still_there(self):
        return self.process.poll() is None

    def ready(self):
        return all(listens(front.port) for front in self.fronts.values())

    def output(self):
        return (self.folder / "out").read_text(encoding="utf-8", errors="replace")

    def stop(self):
        if self.process is None:
            return
        pids = set(self.account.pids()) | set(tree(self.process.pid))
        self.ask_to_end()
        try:
            self.process.wait(3)
        except subprocess.TimeoutExpired:
            pass
        for pid in pids & set(self.account.pids()) | ({self.process.pid} if self.process.poll() is None else set()):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()
        self.account.close()
        self.process = None

    def ask_to_end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)


class Sallyport(Proxy):
    name, title = "sallyport", "Sallyport"
    edges = 1

    def __init__(self, world, only=None, edges=1):
        self.program = world.program
        self.edges = edges
        self.refused = ""  # why the pass-through front is not there
        super().__init__(world, only)
        # Transparent: the generator connects to the sink, at an address that the kernel brings to us.
        if "pass" in self.fronts:
            self.fronts["pass"].to = f"{ELSEWHERE}:{world.sink.plain}"

    def offers(self):
        return {"both": "starttls", "half": "starttls", "clear": "plain", "pass": "starttls"}

    def configuration(self):
        limits = "max_connections: 1000000, max_connections_per_address: 1000000, timeout_command: 1h, timeout_session: 2h"
        world = self.world
        text = f"""hostname: {GATEWAY}
edges: {self.edges}
drain_timeout: 0s
certificates:
  gw: {{ chain: {world.folder}/gw.pem, key: {world.folder}/gw.key }}
{"actions: { through: { tls: passthrough } }" if "pass" in self.fronts else ""}
upstreams:
  tls: {{ hosts: [ "{HOST}:{world.sink.plain}" ], tls: verify, ca: {world.folder}/ca.pem, names: [ {SINK} ] }}
  plain: {{ hosts: [ "{HOST}:{world.sink.plain}" ], tls: none }}
services:
"""
        for key, upstream in (("both", "tls"), ("half", "plain"), ("clear", "plain")):
            if key in self.fronts:
                text += f'  {key}: {{ listen: [ "{HOST}:{self.port(key)}" ], upstream: {upstream}, {limits} }}\n'
        if "pass" in self.fronts:
            text += (f'  pass: {{ mode: transparent, intercept: redirect, listen: [ "{HOST}:{self.port("pass")}" ], '
                     f'action: through, {limits} }}\n')
        return text

    def start(self):
        """Without what it can't do here."""
        if "pass" in self.fronts and not self.world.apart:
            self.leave_out("the network of the machine is not touched, and this is no namespace (it takes root and nft)")
        try:
            super().start()
        except Missing as e:
            if "pass" not in self.fronts:
                raise
            self.leave_out(str(e))
            super().start()
        return self

    def leave_out(self, why):
        del self.fronts["pass"]
        self.refused = " ".join(why.replace(str(self.folder) + "/", "").split())[:200]

    def check(self):
        done = subprocess.run([self.program, "check", "-c", self.folder / "gw.yaml"], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=20, check=False)
        return "" if done.returncode == 0 else (done.stdout + done.stderr).strip()

    def command(self):
        self.write("gw.yaml", self.configuration())
        refused = self.check()
        if refused and "pass" in self.fronts:
            self.leave_out("; ".join(line for line in refused.splitlines() if "warning:" not in line))
            self.write("gw.yaml", self.configuration())
            refused = self.check()
        if refused:
            raise Wrong(f"{self.program} check: {refused}")
        return [self.program, "run", "-c", self.folder / "gw.yaml"]

    def ready(self):
        return "event=ready " in self.output()

    def edge_pids(self):
        found = []
        for pid in tree(self.process.pid)[1:]:
            words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if words[1:3] == [b"--role", b"edge"]:
                found.append(pid)
        return found

    def stats(self):
        """The counters of all its processes, by name."""
        def lines():
            return [line for line in self.output().splitlines() if "event=stats " in line]
        before = len(lines())
        self.process.send_signal(signal.SIGUSR1)
        if not wait_until(lambda: len(lines()) > before):
            raise Wrong("Sallyport says no statistics on SIGUSR1:\n" + self.output()[-600:])
        words = [word.partition("=") for word in lines()[-1].split()]
        return {key: int(value) for key, _, value in words if value.isdigit()}


class NginxMail(Proxy):
    name, title, program = "nginx-mail", "nginx mail", "/usr/sbin/nginx"

    def offers(self):
        return {"half": "starttls"}

    def command(self):
        world = self.world
        conf = self.write("nginx.conf", f"""load_module /usr/lib/nginx/modules/ngx_mail_module.so;
daemon off; worker_processes 1; worker_rlimit_nofile 20000; pid {self.folder}/pid; error_log {self.folder}/error crit;
events {{ worker_connections 19000; }}
mail {{
	server_name {GATEWAY};
	auth_http {HOST}:{world.sink.http}/;
	proxy on; xclient off; smtp_auth none; timeout 3600s; proxy_timeout 3600s;
	smtp_capabilities PIPELINING "SIZE 104857600" 8BITMIME ENHANCEDSTATUSCODES;
	ssl_certificate {world.folder}/gw.pem; ssl_certificate_key {world.folder}/gw.key;
	ssl_protocols TLSv1.2 TLSv1.3; ssl_conf_command Ciphersuites {TLS13}; ssl_ecdh_curve X25519;
	server {{ listen {HOST}:{self.port("half")} backlog=4096; protocol smtp; starttls on; }}
}}
""")
        return [self.program, "-p", self.folder, "-c", conf, "-e", self.folder / "error"]


class NginxStream(Proxy):
    name, title, program = "nginx-stream", "nginx stream", "/usr/sbin/nginx"

    def offers(self):
        return {"both": "implicit"}

    def command(self):
        world = self.world
        conf = self.write("nginx.conf", f"""load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off; worker_processes 1; worker_rlimit_nofile 20000; pid {self.folder}/pid; error_log {self.folder}/error crit;
events {{ worker_connections 19000; }}
stream {{
	ssl_certificate {world.folder}/gw.pem; ssl_certificate_key {world.folder}/gw.key;
	ssl_protocols TLSv1.2 TLSv1.3; ssl_conf_command Ciphersuites {TLS13}; ssl_ecdh_curve X25519;
	proxy_timeout 3600s;
	server {{
		listen {HOST}:{self.port("both")} ssl backlog=4096;
		proxy_pass {HOST}:{world.sink.tls};
		proxy_ssl on; proxy_ssl_protocols TLSv1.2 TLSv1.3; proxy_ssl_session_reuse on;
		proxy_ssl_conf_command Ciphersuites {TLS13};
	}}
}}
""")
        return [self.program, "-p", self.folder, "-c", conf, "-e", self.folder / "error"]


class HAProxy(Proxy):
    name, title, program = "haproxy", "HAProxy", "/usr/sbin/haproxy"

    def offers(self):
        return {"both": "implicit", "pass": "starttls"}

    def command(self):
        world = self.world
        pem = self.write("gw.both.pem", (world.folder / "gw.pem").read_text() + (world.folder / "gw.key").read_text())
        text = f"""global
	maxconn 6000
	nbthread 1
	ssl-default-bind-ciphersuites {TLS13}
	ssl-default-server-ciphersuites {TLS13}
	ssl-default-bind-curves X25519
defaults
	mode tcp
	timeout connect 10s
	timeout client 1h
	timeout server 1h
"""
        if "both" in self.fronts:
            text += f"""listen both
	bind {HOST}:{self.port("both")} ssl crt {pem} ssl-min-ver TLSv1.2 backlog 4096
	server sink {HOST}:{world.sink.tls} ssl verify none
"""
        if "pass" in self.fronts:
            text += f"""listen pass
	bind {HOST}:{self.port("pass")} backlog 4096
	option splice-auto
	server sink {HOST}:{world.sink.plain}
"""
        return [self.program, "-db", "-f", self.write("haproxy.cfg", text)]


class Stunnel(Proxy):
    name, title, program = "stunnel", "stunnel", "/usr/bin/stunnel4"

    def offers(self):
        return {"both": "starttls"}

    def command(self):
        world = self.world
        between = free_port()
        conf = self.write("stunnel.conf", f"""foreground = yes
syslog = no
debug = 3
pid = {self.folder}/pid
ciphersuites = {TLS13}
curves = X25519
TIMEOUTidle = 7200
[in]
accept = {HOST}:{self.port("both")}
connect = {HOST}:{between}
protocol = smtp
cert = {world.folder}/gw.pem
key = {world.folder}/gw.key
[out]
client = yes
accept = {HOST}:{between}
connect = {HOST}:{world.sink.plain}
protocol = smtp
""")
        return [self.program, conf]


class Postfix(Proxy):
    name, title, program = "postfix", "Postfix before-queue", "/usr/sbin/postfix"
    needs_root = True

    master = """{host}:{port} inet n - n - 200 smtpd -o smtpd_proxy_filter={host}:{sink}
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
error unix - - n - - error
smtp unix - - n - - smtp
postlog unix-dgram n - n - 1 postlogd
"""

    def offers(self):
        return {"half": "starttls"}

    def command(self):
        world = self.world
        for name in ("conf", "spool", "data"):
            (self.folder / name).mkdir()
        shutil.chown(self.folder / "data", "postfix")
        settings = {
            "compatibility_level": "3.6", "queue_directory": self.folder / "spool", "data_directory": self.folder / "data",
            "myhostname": GATEWAY, "mydestination": "", "alias_maps": "", "alias_database": "",
            "inet_interfaces": HOST, "inet_protocols": "ipv4", "mynetworks": "127.0.0.0/8",
            "maillog_file": self.folder / "log", "maillog_file_prefixes": self.folder, "disable_dns_lookups": "yes",
            "smtpd_recipient_restrictions": "permit_mynetworks, reject", "smtpd_relay_restrictions": "permit_mynetworks, reject",
            "smtpd_peername_lookup": "no", "smtpd_client_connection_count_limit": "0", "message_size_limit": "104857600",
            "local_recipient_maps": "", "relay_domains": "bench.example", "default_process_limit": "200",
            "smtpd_tls_security_level": "may", "smtpd_tls_cert_file": world.folder / "gw.pem",
            "smtpd_tls_key_file": world.folder / "gw.key", "smtpd_tls_session_cache_database": "",
            "smtpd_timeout": "3600s", "max_idle": "100s", "tls_eecdh_auto_curves": "X25519"}
        self.write("conf/main.cf", "".join(f"{key} = {value}\n" for key, value in settings.items()))
        self.write("conf/master.cf", self.master.format(host=HOST, port=self.port("half"), sink=world.sink.plain))
        # -d: not a daemon. The queue's folders are made by the command that starts it, so by us.
        subprocess.run(["postfix", "-c", self.folder / "conf", "check"], stdin=subprocess.DEVNULL,
                       capture_output=True, timeout=60, check=False)
        return ["/usr/lib/postfix/sbin/master", "-c", self.folder / "conf", "-d"]


PEERS = (NginxMail, NginxStream, HAProxy, Stunnel, Postfix)
