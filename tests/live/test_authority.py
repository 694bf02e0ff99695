"""`sallyport authority init`: WG-5's authority, WG-7's that nobody trusts, and what must not happen to keys."""
import datetime
import os
import re
import stat
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import NameOID

from gateway import sallyport

FILES = {"authority.pem": 0o644, "authority.key": 0o600, "untrusted.pem": 0o644, "untrusted.key": 0o600}


def read(folder, name):
    return x509.load_pem_x509_certificate((folder / f"{name}.pem").read_bytes())


def common_name(cert):
    return cert.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value


def leftovers(folder):
    return sorted(p.name for p in folder.iterdir()) if folder.exists() else []


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("authority") / "new"
    old = os.umask(0)
    try:
        done = sallyport("authority", "init", folder)
    finally:
        os.umask(old)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, done


def test_four_files_and_their_modes(made):
    folder, _ = made
    assert {p.name: stat.S_IMODE(p.stat().st_mode) for p in folder.iterdir()} == FILES


@pytest.mark.parametrize("name", ["authority", "untrusted"])
def test_WG_5_a_ca_and_its_key(made, name):
    folder, _ = made
    cert = read(folder, name)
    key = serialization.load_pem_private_key((folder / f"{name}.key").read_bytes(), None)
    assert cert.public_key().public_numbers() == key.public_key().public_numbers()
    assert key.curve.name == "secp256r1"
    basic = cert.extensions.get_extension_for_class(x509.BasicConstraints)
    assert basic.critical and basic.value.ca and basic.value.path_length == 0
    usage = cert.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical and usage.value.key_cert_sign and not usage.value.digital_signature
    now = datetime.datetime.utcnow()
    assert cert.not_valid_before < now
    assert abs((cert.not_valid_after - now).days - 3650) <= 1
    done = subprocess.run(["openssl", "verify", "-x509_strict", "-CAfile", folder / f"{name}.pem", folder / f"{name}.pem"],
                          capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_WG_7_the_other_one_says_that_nobody_should_trust_it(made):
    folder, done = made
    trusted, untrusted = read(folder, "authority"), read(folder, "untrusted")
    assert "NOT TRUSTED" in common_name(untrusted)
    assert "NOT TRUSTED" not in common_name(trusted) and "Sallyport" in common_name(trusted)
    assert trusted.public_key().public_numbers() != untrusted.public_key().public_numbers()
    assert str(folder / "authority.pem") in done.stdout
    assert re.search(r"Never.*untrusted\.pem", done.stdout)
    assert "PRIVATE" not in done.stdout + done.stderr


def test_options(tmp_path):
    done = sallyport("authority", "init", tmp_path, "--name", "Die Prüfstelle", "--days", "30")
    assert done.returncode == 0, done.stderr
    cert = read(tmp_path, "authority")
    assert common_name(cert) == "Die Prüfstelle"
    assert (cert.not_valid_after - datetime.datetime.utcnow()).days in (29, 30)
    assert "NOT TRUSTED" in common_name(read(tmp_path, "untrusted"))


def test_two_are_never_the_same(tmp_path):
    for name in ("a", "b"):
        assert sallyport("authority", "init", tmp_path / name).returncode == 0
    one, two = read(tmp_path / "a", "authority"), read(tmp_path / "b", "authority")
    assert one.public_key().public_numbers() != two.public_key().public_numbers()
    assert one.serial_number != two.serial_number


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kind", ["file", "dangling link"])
def test_nothing_is_overwritten(tmp_path, name, kind):
    if kind == "file":
        (tmp_path / name).write_text("mine")
    else:
        (tmp_path / name).symlink_to(tmp_path / "elsewhere")
    done = sallyport("authority", "init", tmp_path)
    assert done.returncode == 73
    assert name in done.stderr and "exists" in done.stderr
    assert leftovers(tmp_path) == [name]
    if kind == "file":
        assert (tmp_path / name).read_text() == "mine"


def test_where_it_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below", tmp_path / "no" / "such", "/proc/1"):
        done = sallyport("authority", "init", folder)
        assert done.returncode == 73, done.stdout + done.stderr
        assert str(folder) in done.stderr and done.stdout == ""
    assert leftovers(tmp_path) == ["file"]


WRONG = {
    "nothing": (),
    "no directory": ("init",),
    "another word": ("make", "x"),
    "two directories": ("init", "x", "y"),
    "no number": ("init", "x", "--days", "ten"),
    "no day": ("init", "x", "--days", "0"),
    "less than none": ("init", "x", "--days", "-1"),
    "too many": ("init", "x", "--days", "36501"),
    "no name": ("init", "x", "--name", ""),
    "a long name": ("init", "x", "--name", "x" * 65),
    "no text": ("init", "x", "--name", "\udcff\udcfe"),
    "unknown": ("init", "x", "--what"),
}


@pytest.mark.parametrize("name", WRONG)
def test_usage(tmp_path, name):
    done = sallyport("authority", *WRONG[name], cwd=tmp_path)
    assert done.returncode == 64, done.stdout + done.stderr
    assert done.stderr and leftovers(tmp_path) == []
