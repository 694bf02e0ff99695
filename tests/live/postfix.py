"""A real Postfix of its own: configuration, queue and log in a temporary folder."""
import os
import shutil
import signal
import subprocess
from pathlib import Path

from gateway import alive, wait_until

MASTER = """\
{smtpd}
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 300 1 qmgr
tlsmgr    unix  - - n 1000? 1 tlsmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
verify    unix  - - n - 1 verify
flush     unix  n - n 1000? 0 flush
proxymap  unix  - - n - - proxymap
smtp      unix  - - n - - smtp
relay     unix  - - n - - smtp
showq     unix  n - n - - showq
error     unix  - - n - - error
retry     unix  - - n - - error
discard   unix  - - n - - discard
virtual   unix  - n n - - virtual
anvil     unix  - - n - 1 anvil
scache    unix  - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
"""


class Postfix:
    def __init__(self, folder, ports, settings, host="127.0.0.1", services=""):
        """`ports`: where it listens on `host`, with options of master.cf; `services`: more lines of that file."""
        self.folder = Path(folder)
        for name in ("conf", "spool", "data", "mail"):
            (self.folder / name).mkdir()
        shutil.chown(self.folder / "data", "postfix")
        shutil.chown(self.folder / "mail", "nobody", "nogroup")
        base = {
            "compatibility_level": "3.6", "queue_directory": self.folder / "spool",
            "data_directory": self.folder / "data", "myhostname": "postfix.example",
            "mydestination": "", "local_transport": "error:no local mail", "alias_maps": "",
            "alias_database": "", "inet_interfaces": host, "inet_protocols": "ipv4",
            "mynetworks": "127.0.0.0/8", "maillog_file": self.folder / "log",
            "maillog_file_prefixes": self.folder, "smtpd_recipient_restrictions": "permit_mynetworks",
            "smtpd_relay_restrictions": "permit_mynetworks, reject_unauth_destination", "disable_dns_lookups": "yes",
            "smtp_dns_support_level": "disabled", "biff": "no", "append_dot_mydomain": "no",
            "smtpd_peername_lookup": "no", "notify_classes": "", "smtp_host_lookup": "native",
            "enable_long_queue_ids": "yes"}
        text = "".join(f"{k} = {v}\n" for k, v in {**base, **settings}.items())
        (self.folder / "conf" / "main.cf").write_text(text)
        smtpd = "\n".join(f"{host}:{port} inet n - n - - smtpd {options}"
                          for port, options in ports.items())
        (self.folder / "conf" / "master.cf").write_text(MASTER.format(smtpd=smtpd) + services)

    def start(self):
        done = subprocess.run(["postfix", "-c", str(self.folder / "conf"), "start"],
                              capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr + self.log()
        assert wait_until(lambda: self.pid() and alive(self.pid()))
        return self

    def pid(self):
        try:
            return int((self.folder / "spool" / "pid" / "master.pid").read_text())
        except (OSError, ValueError):
            return 0

    def stop(self):
        pid = self.pid()
        if pid:
            os.kill(pid, signal.SIGTERM)
            assert wait_until(lambda: not alive(pid)), "Postfix stays"

    def log(self):
        try:
            return (self.folder / "log").read_text(errors="replace")
        except OSError:
            return ""

    def wait_log(self, *words, seconds=20):
        assert wait_until(lambda: any(all(w in line for w in words)
                                      for line in self.log().splitlines()), seconds, 0.05), \
            self.log()[-4000:]

    def mail(self):
        """The messages in the Maildir of box@dest.example."""
        return [p.read_bytes() for p in sorted((self.folder / "mail").glob("box/new/*"))]
