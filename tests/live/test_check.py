"""`sallyport check`, `schema`, `version`: SUB-12 and the words for a wrong configuration."""
import json
import re

import pytest

from gateway import base_config, merged, sallyport, yaml
from pki import GW, key_pem, make, pem

PLACE = r"gw\.yaml:\d+:\d+: "


@pytest.fixture
def check(pki, tmp_path):
    """check(settings) or check(text=...): the finished process."""
    def run(more=None, text=None, *args):
        file = tmp_path / "gw.yaml"
        config = merged(base_config(pki, "127.0.0.1:2526"), more or {})
        file.write_text(text if text is not None else yaml(config))
        return sallyport("check", "-c", file, *args)
    return run


def test_a_good_configuration(check):
    done = check()
    assert done.returncode == 0, done.stdout + done.stderr


WRONG = {
    "unknown key": ({"hostnam": "x"}, r"hostnam.*hostname"),
    "unknown key in a service": ({"services": {"mx": {"lissen": "127.0.0.1:25"}}}, r"lissen.*listen"),
    "not a number": ({"edges": "many"}, r"edges"),
    "below the least": ({"services": {"mx": {"max_recipients": 0}}}, r"max_recipients.*from 1"),
    "not a time": ({"services": {"mx": {"timeout_command": "5 minutes"}}}, r"timeout_command.*5m"),
    "not a choice": ({"upstreams": {"backend": {"tls": "maybe"}}}, r"tls.*maybe.*none, may, encrypt"),
    "no address": ({"services": {"mx": {"listen": ["localhost"]}}}, r"listen"),
    "a port too high": ({"services": {"mx": {"listen": ["127.0.0.1:70000"]}}}, r"70000"),
    "no such upstream": ({"services": {"mx": {"upstream": "bakend"}}}, r"bakend"),
    "no such certificate": ({"services": {"mx": {"certificates": ["gww"]}}}, r"gww"),
    "no such profile": ({"services": {"mx": {"tls_profile": "modren"}}}, r"modren"),
    "min above max": ({"tls_profiles": {"p": {"min": "1.3", "max": "1.2"}}}, r"min|max"),
    "a profile of itself": ({"tls_profiles": {"p": {"inherit": "p"}}}, r"inherit"),
    "built-in name": ({"tls_profiles": {"modern": {"min": "1.2"}}}, r"modern"),
    "no cipher known": ({"tls_profiles": {"p": {"ciphers": ["NO-SUCH-CIPHER"]}},
                         "services": {"mx": {"tls_profile": "p"}}}, r"ciphers"),
    "no group known": ({"tls_profiles": {"p": {"groups": ["nothing"]}},
                        "services": {"mx": {"tls_profile": "p"}}}, r"groups"),
    "ca not there": ({"upstreams": {"backend": {"tls": "verify", "ca": "/nonexistent/ca.pem"}}},
                     r"nonexistent"),
    "mode not built": ({"services": {"mx": {"mode": "submission"}}}, r"submission"),
    "what a relay has, outbound": ({"services": {"mx": {"mode": "outbound"}}}, r"upstream.*mode is outbound"),
    "GC-3 list not there": ({"partner_lists": {"gc": {"file": "/nonexistent/list", "outbound": "encrypt"}}},
                            r"partner_lists\.gc\.file.*nonexistent"),
    "PP-9 clients verified": ({"partners": {"a.example": {"inbound": "verify"}}}, r"inbound.*none, may or encrypt"),
    "PP-10 class of failure": ({"partners": {"a.example": {"on_failure": "never"}}}, r"temporary or permanent"),
    "trust anchor not there": ({"route": {"trust_anchor": "/nonexistent/anchor"}}, r"trust_anchor.*nonexistent"),
    "a fallback in a circle": ({"services": {"out": {"mode": "outbound", "listen": ["127.0.0.1:7"],
                                                     "fallback": "127.0.0.1:7"}}}, r"fallback.*circle"),
    "two on one address": ({"services": {"two": {"listen": ["127.0.0.1:7"], "upstream": "backend"},
                                         "three": {"listen": ["127.0.0.1:7"], "upstream": "backend"}}},
                           r"127\.0\.0\.1:7"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_and_where(check, name):
    settings, words = WRONG[name]
    done = check(settings)
    assert done.returncode == 78, done.stdout + done.stderr
    assert re.search(PLACE + ".*" + words, done.stdout + done.stderr), done.stdout + done.stderr


def test_GC_3_GC_5_a_list_and_its_lines(check, tmp_path):
    file = tmp_path / "tls.list"
    config = {"partner_lists": {"gc": {"file": "tls.list", "outbound": "encrypt", "min_bits": 112}},
              "services": {"out": {"mode": "outbound", "listen": ["127.0.0.1:7"]}}}
    file.write_bytes(b"# agreed\r\nbank.example 256\r\n\r\nboss@b.example\r\n")
    done = check(config)
    assert done.returncode == 0, done.stderr
    file.write_text("bank.example\n\nbank.example. 128\nb c.example\n")
    done = check(config)
    assert done.returncode == 78
    assert "tls.list:3: " in done.stdout + done.stderr
    assert "tls.list:4: " in done.stdout + done.stderr


def test_PP_4_what_partners_are_warned_of(check):
    done = check({"partners": {"a.example": {"outbound": "none", "why": "old"},
                               "b.example": {"outbound": "verify", "expires": "2020-01-01"}},
                  "services": {"out": {"mode": "outbound", "listen": ["127.0.0.1:7"]}}})
    assert done.returncode == 0, done.stderr
    assert re.search(PLACE + r"warning: partners\.a\.example is an exemption for ever", done.stdout + done.stderr)
    assert re.search(PLACE + r"warning: partners\.b\.example has expired", done.stdout + done.stderr)


def test_all_errors_at_once(check):
    done = check({"edges": "x", "hostnam": "y", "services": {"mx": {"max_errors": "z"}}})
    assert done.returncode == 78
    assert len(re.findall(PLACE, done.stdout + done.stderr)) >= 3


def test_the_place_is_exact(check):
    done = check(text="hostname: gw.example.net\nservices:\n  mx:\n    listen: 127.0.0.1:2525\n"
                      "    upstream: 127.0.0.1:2526\n    max_errors: lots\n")
    assert re.search(r"gw\.yaml:6:(5|17): ", done.stdout + done.stderr), done.stdout + done.stderr


@pytest.mark.parametrize("text", ["services: [", "\tx: 1\n", "a: b: c\n", "", "- 1\n- 2\n", "{}", "\xff",
                                  "hostname: a\nhostname: b\n", "&a [*a]", "x: &x {y: *x}"])
def test_no_configuration_at_all(check, text):
    done = check(text=text)
    assert done.returncode == 78
    assert re.search(r"gw\.yaml:\d+:\d+: ", done.stdout + done.stderr)


def test_a_file_that_is_not_there(tmp_path):
    done = sallyport("check", "-c", tmp_path / "none.yaml")
    assert done.returncode != 0
    assert "none.yaml" in done.stdout + done.stderr


def test_run_refuses_what_check_refuses(pki, tmp_path):
    file = tmp_path / "gw.yaml"
    file.write_text(yaml(merged(base_config(pki, "127.0.0.1:2526"), {"hostnam": "x"})))
    done = sallyport("run", "-c", file)
    assert done.returncode == 78
    assert re.search(PLACE, done.stderr)


def test_T_prints_what_holds(check, tmp_path):
    done = check(None, None, "-T")
    assert done.returncode == 0
    for words in ("timeout_final: ", "tls_support: ", "max_errors: 20", "intermediate", GW):
        assert words in done.stdout
    again = check(None, done.stdout, "-T")
    assert again.returncode == 0, again.stdout + again.stderr
    assert again.stdout == done.stdout


def test_schema_is_json():
    done = sallyport("schema")
    schema = json.loads(done.stdout)
    assert "services" in json.dumps(schema)
    assert schema.get("$schema", "").startswith("http")


def test_version():
    done = sallyport("version")
    assert done.returncode == 0
    assert re.match(r"sallyport \d+\.\d+", done.stdout)


@pytest.mark.parametrize("args", [(), ("nonsense",), ("run",), ("check", "--what")])
def test_usage(args):
    assert sallyport(*args).returncode == 64


# Certificates

def bad_pairs(pki):
    leaf = make(GW, pki.inter, names=(GW,))
    other = make(GW, pki.inter, names=(GW,))
    expired = make(GW, pki.inter, names=(GW,), start=-20, days=10)
    future = make(GW, pki.inter, names=(GW,), start=10)
    small = make(GW, pki.inter, key="rsa1024", names=(GW,))
    return {
        "key of another": (pem(leaf[0], pki.inter[0]), key_pem(other[1]), "error", r"(?i)key"),
        "expired": (pem(expired[0], pki.inter[0]), key_pem(expired[1]), "error", r"(?i)expired"),
        "not yet valid": (pem(future[0], pki.inter[0]), key_pem(future[1]), "error", r"(?i)not yet"),
        "weak key": (pem(small[0], pki.inter[0]), key_pem(small[1]), "error", r"1024|2048|small"),
        "wrong order": (pem(pki.inter[0], leaf[0]), key_pem(leaf[1]), "error", r"(?i)order|key"),
        "chain out of order": (pem(leaf[0], pki.root[0], pki.inter[0]), key_pem(leaf[1]), "error",
                               r"(?i)order"),
        "missing intermediate": (pem(leaf[0]), key_pem(leaf[1]), "warning",
                                 r"(?i)issuer|intermediate"),
        "self-signed": (*self_signed(), "warning", r"(?i)self-signed"),
        "no SAN": (*without_san(pki), "warning", r"(?i)SAN|alternative|name"),
        "nearly over": (*nearly_over(pki), "warning", r"(?i)expire|days|life|left"),
        "no certificate": (b"nothing here\n", key_pem(leaf[1]), "error", r"(?i)no certificate"),
        "no key": (pem(leaf[0]), b"nothing here\n", "error", r"(?i)key"),
        "encrypted key": (pem(leaf[0]), key_pem(leaf[1], b"secret"), "error", r"(?i)encrypt|key"),
    }


def self_signed():
    pair = make(GW, names=(GW,))
    return pem(pair[0]), key_pem(pair[1])


def without_san(pki):
    pair = make(GW, pki.inter)
    return pem(pair[0], pki.inter[0]), key_pem(pair[1])


def nearly_over(pki):
    pair = make(GW, pki.inter, names=(GW,), start=-89, days=91)
    return pem(pair[0], pki.inter[0]), key_pem(pair[1])


PAIRS = ["key of another", "expired", "not yet valid", "weak key", "wrong order", "chain out of order",
         "missing intermediate", "self-signed", "no SAN", "nearly over", "no certificate", "no key",
         "encrypted key"]


@pytest.mark.parametrize("name", PAIRS)
def test_SUB_12_certificates_are_checked_at_load(pki, check, name, tmp_path):
    chain, key, kind, words = bad_pairs(pki)[name]
    (tmp_path / "c.pem").write_bytes(chain)
    (tmp_path / "k.pem").write_bytes(key)
    done = check({"certificates": {"gw": {"chain": str(tmp_path / "c.pem"),
                                          "key": str(tmp_path / "k.pem")}}})
    told = done.stdout + done.stderr
    assert done.returncode == (78 if kind == "error" else 0), told
    lines = [line for line in told.splitlines() if re.match(".*" + PLACE, line)]
    assert any(re.search(words, line) and ("warning: " in line) == (kind == "warning")
               for line in lines), told


def test_SUB_12_a_good_chain_with_its_root_draws_no_error(pki, check, tmp_path):
    leaf = make(GW, pki.inter, names=(GW,))
    (tmp_path / "c.pem").write_bytes(pem(leaf[0], pki.inter[0], pki.root[0]))
    (tmp_path / "k.pem").write_bytes(key_pem(leaf[1]))
    done = check({"certificates": {"gw": {"chain": str(tmp_path / "c.pem"),
                                          "key": str(tmp_path / "k.pem")}}})
    assert done.returncode == 0, done.stdout + done.stderr


def test_SUB_12_paths_are_relative_to_the_file(pki, check, tmp_path):
    cert = pki.leaf(GW)
    (tmp_path / "c.pem").write_bytes(open(cert.chain, "rb").read())
    (tmp_path / "k.pem").write_bytes(open(cert.key, "rb").read())
    done = check({"certificates": {"gw": {"chain": "c.pem", "key": "k.pem"}}})
    assert done.returncode == 0, done.stdout + done.stderr
