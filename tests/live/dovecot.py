"""Dovecot's submission service, with a configuration of its own: asks for passwords, hands the mail on."""
import pwd
import signal
import socket
import subprocess

from gateway import wait_until

USERS = {"anna": "tell-no-one", "bert@client.example": "neither this"}


class Dovecot:
    """`relay`: who gets the mail (an Upstream). To be started in the namespace where it shall live."""

    def __init__(self, folder, host, cert, relay, port=587):
        self.folder, self.host, self.port = folder, host, port
        self.users, self.conf, self.log_file = folder / "users", folder / "dovecot.conf", folder / "log"
        (folder / "home").mkdir(mode=0o777)
        (folder / "home").chmod(0o777)
        nobody = pwd.getpwnam("nobody")
        self.users.write_text("".join(f"{name}:{{PLAIN}}{word}\n" for name, word in USERS.items()))
        self.conf.write_text(f"""
protocols = submission
listen = {host}
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {self.log_file}
auth_verbose = yes
hostname = {cert[0]}
ssl = yes
ssl_cert = <{cert[1].chain}
ssl_key = <{cert[1].key}
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_failure_delay = 0
first_valid_uid = 1
passdb {{
  driver = passwd-file
  args = username_format=%u {self.users}
}}
userdb {{
  driver = static
  args = uid={nobody.pw_uid} gid={nobody.pw_gid} home={folder}/home
}}
mail_location = maildir:~/mail
submission_relay_host = {relay.host}
submission_relay_port = {relay.port}
submission_relay_trusted = no
service submission-login {{
  inet_listener submission {{
    port = {port}
  }}
}}
""")

    def start(self):
        self.process = subprocess.Popen(["dovecot", "-F", "-c", str(self.conf)], stdin=subprocess.DEVNULL)
        assert wait_until(self.answers, 20), self.log()
        return self

    def answers(self):
        try:
            with socket.create_connection((self.host, self.port), 5) as s:
                return s.recv(3) == b"220"
        except OSError:
            return False

    def log(self):
        return self.log_file.read_text() if self.log_file.exists() else ""

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)
