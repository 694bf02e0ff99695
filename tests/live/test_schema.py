"""`sallyport schema`: a JSON Schema (draft 2020-12) by which an editor judges as `check` does."""
import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from gateway import ROOT, sallyport

CORPUS = ROOT / "tests" / "fuzz" / "corpus" / "conf"

SMALL = """
hostname: gw.example.net
certificates:
  gw: { chain: /path/chain.pem, key: /path/key.pem }
services:
  mx: { listen: "*:2525", upstream: 10.0.0.5:25 }
"""


@pytest.fixture(scope="module")
def validator():
    schema = json.loads(sallyport("schema").stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def places(validator, text):
    return ["/".join(map(str, error.absolute_path)) for error in validator.iter_errors(yaml.safe_load(text))]


GOOD = {
    "small": SMALL,
    "sections left empty": SMALL + "upstreams:\ntls_profiles:\n",
    "a version as a number": SMALL + "tls_profiles: { p: { min: 1.2, max: '1.3', tickets: off } }\n",
    "booleans as YAML reads them": SMALL + "upstreams: { u: { hosts: a.example, implicit: yes } }\n",
    "one value for a list": SMALL + "upstreams: { u: { hosts: a.example, names: b.example } }\n",
    "a size with and without unit": SMALL.replace("10.0.0.5:25 }", "a.example, max_message_size: 50M }")
    + "  b: { listen: '*:26', upstream: a.example, max_message_size: 100000 }\n",
    "no wait": SMALL + "drain_timeout: 0\n",
    "interception": (CORPUS / "transparent.yaml").read_text(),
    "mode outbound": (CORPUS / "outbound.yaml").read_text(),
    "a partner's names": SMALL + "partners: { '*.a.example': {}, .b.example: {}, '*@c.example': {}, '*': {}, 'u@d.example': {} }\n",
    "actions that inherit": SMALL + "actions: { a: { inherit: Incoming }, b: { inherit: a, tls: strip } }\n",
    "marks": SMALL + "mark: 23057\n",
    "the example of the issue": (CORPUS / "issue.yaml").read_text(),
    "everything": (CORPUS / "everything.yaml").read_text(),
    "JSON": (CORPUS / "json.yaml").read_text(),
}


@pytest.mark.parametrize("name", GOOD)
def test_good(validator, name):
    assert places(validator, GOOD[name]) == []


WRONG = {
    "an unknown key": (SMALL + "hostnam: x\n", ""),
    "an unknown key of a service": (SMALL.replace("upstream:", "upstreem: x, upstream:"), "services/mx"),
    "no services": ("hostname: gw.example.net\n", ""),
    "services with nothing in it": ("services: {}\n", "services"),
    "no upstream": ("services: { mx: { listen: '*:25' } }\n", "services/mx"),
    "a mapping for a list": (SMALL.replace('"*:2525"', "{}"), "services/mx/listen"),
    "no port": (SMALL.replace('"*:2525"', "192.0.2.1"), "services/mx/listen"),
    "a time without unit": (SMALL + "drain_timeout: 30\n", "drain_timeout"),
    "a count above the most": (SMALL + "edges: 1000\n", "edges"),
    "a choice that is none": (SMALL + "log: { format: xml }\n", "log/format"),
    "a mode to come": (SMALL.replace("upstream:", "mode: submission, upstream:"), "services/mx/mode"),
    "a version that is none": (SMALL + "tls_profiles: { p: { min: 1.4 } }\n", "tls_profiles/p/min"),
    "an upstream where there is none": (
        SMALL.replace("upstream:", "mode: transparent, action: a, upstream:") + "actions: { a: { tls: strip } }\n",
        "services/mx/upstream"),
    "no action": (SMALL.replace("upstream: 10.0.0.5:25", "mode: transparent"), "services/mx"),
    "terms of another method": (SMALL + "actions: { a: { tls: strip, esmtp: no } }\n", "actions/a/esmtp"),
    "an action that says nothing": (SMALL + "actions: { a: { esmtp: no } }\n", "actions/a"),
    "a rule without name": (
        SMALL.replace("upstream: 10.0.0.5:25", "mode: transparent, action: a, rules: [ { action: a } ]")
        + "actions: { a: { tls: passthrough } }\n", "services/mx/rules"),
    "a partner with a blank": (SMALL + "partners: { 'a b': { client: optional } }\n", "partners"),
    "a name with a blank": (SMALL + "upstreams: { 'a b': { hosts: a } }\n", "upstreams"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong(validator, tmp_path, name):
    text, place = WRONG[name]
    assert place in places(validator, text)
    file = tmp_path / "gw.yaml"
    file.write_text(text)
    assert sallyport("check", "-c", file).returncode == 78


def test_what_T_prints_is_good(validator, pki, tmp_path):
    cert = pki.leaf("gw.example.net")
    file = Path(tmp_path / "gw.yaml")
    file.write_text(SMALL.replace("/path/chain.pem", str(cert.chain)).replace("/path/key.pem", str(cert.key)))
    done = sallyport("check", "-c", file, "-T")
    assert done.returncode == 0, done.stderr
    assert places(validator, done.stdout) == []


def test_the_manual():
    done = sallyport("schema", "-m")
    assert done.returncode == 0
    assert "| `max_message_size` | a size " in done.stdout
    assert sallyport("schema", "--what").returncode == 64
