#!/usr/bin/env python3
"""The bootstrap of a case, with the identity that its rows were observed with.

usage: generate.py MESHGATE PKI INPUT DATAPLANE OUT

The rows compare the hash of the gateway's certificate, and what the backends read in it. meshgate makes a new key each
time, and names tags besides services as Kuma does, which the rows' own test identities leave out. So once it is sure
that meshgate's identity is for the same service and from the same CA, it is replaced by the one of the rows; then
everything else about TLS is compared as it is.
"""
import json
import os
import re
import subprocess
import sys


def main():
    meshgate, pki, resources, dataplane, out = sys.argv[1:]
    # Cases run side by side, and several have proxies with one name.
    work = os.path.abspath(out) + ".work"
    os.makedirs(work, exist_ok=True)
    command = [meshgate, "bootstrap", resources, "--dataplane", dataplane, "--format", "json", "-o", out]
    done = subprocess.run(command, env=dict(os.environ, MESHGATE_WORK_DIR=work))
    if done.returncode:
        sys.exit(done.returncode)
    with open(out) as file:
        bootstrap = file.read()
    service = json.loads(bootstrap)["node"]["cluster"]
    for path, mesh in sorted(set(re.findall(r'"([^"]*/proxies/([^"/]*)/[^"/]*/identity\.json)"', bootstrap))):
        for authority in "ca", "mesh-" + mesh:
            known = os.path.join(pki, "%s-%s-%s" % (authority, mesh, service))
            if os.path.exists(known + ".pem"):
                replace(path, "spiffe://%s/%s" % (mesh, service), os.path.join(pki, authority + ".pem"), known)


def replace(path, name, authority, known):
    """Puts the certificate and key of `known` into Envoy's secret."""
    with open(path) as file:
        answer = json.load(file)
    secret = answer["resources"][0]["tls_certificate"]
    chain = secret["certificate_chain"]["inline_string"]
    said = openssl("x509", "-noout", "-ext", "subjectAltName", stdin=chain)
    first = re.search(r"URI:([^,\s]+)", said)
    if not first or first.group(1) != name:
        sys.exit("the identity is for %s and not for %s" % (first and first.group(1), name))
    with open(path + ".pem", "w") as file:
        file.write(chain)
    openssl("verify", "-CAfile", authority, path + ".pem")
    for part, end in ("certificate_chain", ".pem"), ("private_key", ".key"):
        with open(known + end) as file:
            secret[part]["inline_string"] = file.read()
    with open(path, "w") as file:
        json.dump(answer, file)


def openssl(*args, stdin=None):
    done = subprocess.run(["openssl", *args], input=stdin, capture_output=True, text=True, timeout=30)
    if done.returncode:
        sys.exit("openssl %s: %s" % (args[0], done.stderr or done.stdout))
    return done.stdout


if __name__ == "__main__":
    main()
