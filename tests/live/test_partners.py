"""`sallyport partners`: the rules of the file and of the database, and the exit codes that scripts go by (GC-10)."""
import json

import pytest

from gateway import sallyport


@pytest.fixture
def partners(tmp_path):
    """partners(words...): the finished process."""
    (tmp_path / "state").mkdir()
    (tmp_path / "tls.list").write_text("bank.example\n")
    (tmp_path / "gw.yaml").write_text(
        "hostname: gw.example.net\n"
        f"route: {{ state_dir: {tmp_path}/state }}\n"
        "partners: { file.example: { outbound: verify } }\n"
        "partner_lists: { gc: { file: tls.list, outbound: encrypt, min_bits: 112, on_failure: permanent } }\n"
        "services: { out: { mode: outbound, listen: 127.0.0.1:7, client_tls: none } }\n")
    return lambda *words: sallyport("partners", "-c", tmp_path / "gw.yaml", *words)


def listed(partners):
    return {rule["key"]: rule for rule in json.loads(partners("list", "--json").stdout)}


def test_GC_10_added_replaced_removed(partners, tmp_path):
    assert set(listed(partners)) == {"file.example", "bank.example"}
    assert not (tmp_path / "state" / "partners.db").exists()  # who only looks leaves no trace
    done = partners("add", "db.example", "--outbound", "verify", "--name", "a.example", "--name", "b.example",
                    "--min-bits", "128", "--on-failure", "permanent", "--report", "--direction", "outbound",
                    "--until", "2199-12-20", "--why", "a test", "--inbound", "encrypt")
    assert (done.returncode, done.stdout) == (0, "db.example: added\n"), done.stderr
    rule = listed(partners)["db.example"]
    assert rule == {"key": "db.example", "origin": "partners.db", "source": "database", "outbound": "verify",
                    "inbound": "encrypt", "client": None, "upstream": None, "min_bits": 128,
                    "names": ["a.example", "b.example"], "certificate": None, "on_failure": "permanent",
                    "report": True, "direction": "outbound", "expires": "2199-12-20", "expired": False,
                    "why": "a test", "not_used": None}
    done = partners("add", "DB.example.", "--outbound", "may")
    assert (done.returncode, done.stdout) == (0, "DB.example.: replaced\n"), done.stderr
    table = partners().stdout
    assert "DB.example." in table and "gw.yaml:3" in table and "tls.list:1" in table
    assert partners("remove", "db.example").returncode == 0
    assert set(listed(partners)) == {"file.example", "bank.example"}
    assert partners("remove", "db.example").returncode == 66


def test_PP_4_a_time_from_now(partners):
    done = partners("add", "db.example", "--outbound", "none", "--until", "30d", "--why", "their server is old")
    assert done.returncode == 0, done.stderr
    assert listed(partners)["db.example"]["expires"].startswith("20")


@pytest.mark.parametrize("key, place", [("FILE.example", "gw.yaml:3"), ("bank.example.", "tls.list:1")])
def test_GC_10_what_the_file_has_is_left_alone(partners, key, place):
    for words in (("add", key, "--outbound", "none"), ("remove", key)):
        done = partners(*words)
        assert done.returncode == 65
        assert place in done.stderr


WRONG = {
    "no such level": (65, "add", "a.example", "--outbound", "secure"),
    "no such class": (65, "add", "a.example", "--outbound", "may", "--on-failure", "maybe"),
    "clients are not verified": (65, "add", "a.example", "--inbound", "verify"),
    "no key": (65, "add", "a..example", "--outbound", "may"),
    "no day": (65, "add", "a.example", "--outbound", "may", "--until", "2026-02-30"),
    "no certificate": (65, "add", "a.example", "--outbound", "may", "--certificate", "gw"),
    "strength without TLS": (65, "add", "a.example", "--outbound", "none", "--min-bits", "112"),
    "nothing said": (65, "add", "a.example"),
    "no key at all": (64, "add"),
    "two keys": (64, "remove", "a.example", "b.example"),
    "another verb": (64, "change", "a.example"),
    "an option of another verb": (64, "remove", "a.example", "--outbound", "may"),
    "an option that is none": (64, "list", "--colour"),
}


@pytest.mark.parametrize("name", WRONG)
def test_PP_11_what_is_refused(partners, name):
    code, *words = WRONG[name]
    done = partners(*words)
    assert done.returncode == code, done.stderr
    assert done.stderr != ""
    assert set(listed(partners)) == {"file.example", "bank.example"}


def test_a_configuration_that_is_wrong_or_missing(partners, tmp_path):
    assert sallyport("partners", "-c", tmp_path / "none").returncode == 66
    (tmp_path / "gw.yaml").write_text("hostnam: x\nservices: { out: { mode: outbound, listen: 127.0.0.1:7 } }\n")
    assert partners("add", "a.example", "--outbound", "may").returncode == 78
    assert partners("list").returncode == 78
