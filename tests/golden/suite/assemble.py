#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The official suite's manifests as golden cases, and what a case says beyond what the base manifests alone do.

  assemble.py cases MODULE FOLDER     one case a manifest: FOLDER/NAME.in.yaml; base.in.yaml is the base manifests alone;
                                      FOLDER/NAME.near.yaml has of the base only what the manifest names
  assemble.py digest BASE CASE        of two outputs: the blocks that only CASE has, and with "- " those it lacks

A case is what the suite applies before a test looks: its base manifests, the Secrets and ConfigMaps that it makes itself (here all of one
certificate), the test's manifest with the names filled in. What a cluster would add is added: an EndpointSlice for each Service with a
selector, and an address of its own for each Gateway that asks for none. Kinds that no gateway reads are left out."""
import functools
import os
import re
import sys

import yaml

HERE = os.path.dirname(os.path.abspath(__file__))
INFRA, APP, WEB = "gateway-conformance-infra", "gateway-conformance-app-backend", "gateway-conformance-web-backend"
SECRETS = [(WEB, "certificate"), (INFRA, "tls-validity-checks-certificate"), (INFRA, "tls-validity-checks-client-certificate"),
           (INFRA, "tls-validity-checks-per-port-client-certificate"), (INFRA, "tls-checks-certificate"),
           (INFRA, "tls-checks-client-certificate"), (INFRA, "tls-passthrough-checks-certificate"),
           (APP, "tls-passthrough-checks-certificate"), (INFRA, "tls-terminate-checks-certificate")]
AUTHORITIES = [(WEB, "web-backend-cm"), (INFRA, "tls-validity-checks-ca-certificate"),
               (INFRA, "tls-validity-checks-per-port-ca-certificate"), (INFRA, "tls-checks-ca-certificate"),
               (INFRA, "mismatch-ca-certificate")]
UNREAD = {"Deployment", "DaemonSet", "Pod", "ServiceAccount", "Role", "RoleBinding"}
USABLE, UNUSABLE = "192.0.2.250", "0.0.0.0"
FACTS = "#! features all\n#! address 192.0.2.254\n"
CLASS = """apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: suite}
spec: {controllerName: postern.dev/gateway-controller}
"""


@functools.cache
def documents(path):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    found = [(doc, yaml.safe_load(doc)) for doc in re.split(r"(?m)^---.*$\n?", text)]
    return [(doc.rstrip() + "\n", parsed) for doc, parsed in found if parsed and parsed["kind"] not in UNREAD]


def pem():
    with open(os.path.join(HERE, "certificate.pem"), encoding="utf-8") as file:
        text = file.read()
    at = text.index("-----BEGIN PRIVATE KEY")
    return text[:at], text[at:]


def dumped(o):
    return yaml.safe_dump(o, sort_keys=False)


@functools.cache
def made_by_the_suite():
    return list(secrets_and_authorities())


def secrets_and_authorities():
    crt, key = pem()
    for ns, name in SECRETS:
        yield "Secret", name, dumped({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": ns},
                                       "type": "kubernetes.io/tls", "stringData": {"tls.crt": crt, "tls.key": key}})
    for ns, name in AUTHORITIES:
        yield "ConfigMap", name, dumped({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": ns},
                                          "data": {"ca.crt": crt}})


def slice_of(service, number):
    meta = service["metadata"]
    ports = [{"name": p.get("name", ""), "protocol": p.get("protocol", "TCP"), "port": p.get("targetPort", p["port"])}
             for p in service["spec"]["ports"]]
    if any(isinstance(p["port"], str) for p in ports):
        raise SystemExit(f"{meta['name']}: targetPort is a name")
    return dumped({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
                   "metadata": {"name": meta["name"] + "-made", "namespace": meta["namespace"],
                                "labels": {"kubernetes.io/service-name": meta["name"]}},
                   "addressType": "IPv4", "ports": ports,
                   "endpoints": [{"addresses": [f"10.0.{number // 250}.{number % 250 + 1}"]}]})


class World:
    """What a case consists of: (kind, name, text). Numbers go on, so that the same object of the base has the same address in each."""

    def __init__(self):
        self.gateways, self.services = 0, 0

    def take(self, doc, parsed):
        kind, spec, name = parsed["kind"], parsed.get("spec") or {}, parsed["metadata"]["name"]
        yield kind, name, self.filled(doc, kind, spec)
        if kind == "Service" and spec.get("selector"):
            self.services += 1
            yield kind, name, slice_of(parsed, self.services)

    def filled(self, doc, kind, spec):
        doc = doc.replace("{GATEWAY_CLASS_NAME}", "suite").replace("{GATEWAY_CONTROLLER_NAME}", "postern.dev/gateway-controller")
        doc = doc.replace("PLACEHOLDER_USABLE_ADDRS", USABLE).replace("PLACEHOLDER_UNUSABLE_ADDRS", UNUSABLE)
        if kind == "Gateway":
            doc = re.sub(r"(?m)^(  gatewayClassName: ).*$", r"\1suite", doc)
            self.gateways += 1
            if not spec.get("addresses"):
                doc = re.sub(r"(?m)^spec:\s*$", f"spec:\n  addresses: [{{type: IPAddress, value: 192.0.2.{self.gateways}}}]", doc, count=1)
        return doc


def case(module, manifest):
    """All of the base, and the little of it that the manifest names."""
    world, base, own = World(), [], []
    for doc, parsed in documents(os.path.join(module, "base/manifests.yaml")):
        base += world.take(doc, parsed)
    base += made_by_the_suite()
    for doc, parsed in documents(manifest) if manifest else []:
        own += world.take(doc, parsed)
    said = "".join(doc for _, _, doc in own)
    said += "".join(doc for kind, name, doc in base if kind == "Gateway" and names(said, name))
    near = [one for one in base if one[0] == "Namespace" or names(said, one[1])]
    return [FACTS + "---\n".join([CLASS] + [doc for _, _, doc in docs + own]) for docs in (base, near)]


def names(text, name):
    return re.search(r"(?m)(name|Name): *[\"']?" + re.escape(name) + r"[\"']?\s*$", text) is not None


def manifests(module):
    folder = os.path.join(module, "tests")
    return {name[:-5]: os.path.join(folder, name) for name in sorted(os.listdir(folder)) if name.endswith(".yaml")}


def cases(module, folder):
    for name, manifest in [("base", None), *manifests(module).items()]:
        for end, text in zip((".in.yaml", ".near.yaml"), case(module, manifest)):
            with open(os.path.join(folder, name + end), "w", encoding="utf-8") as file:
                file.write(text)


def blocks(path):
    """A status with its messages, a socket with its hosts and routes, each other line alone. ~ is what all namespaces begin with."""
    found = []
    with open(path, encoding="utf-8") as file:
        for line in file:
            line = line.replace("gateway-conformance-", "~")
            below = line.startswith((" ", "serve ", "host ", "route "))
            if below and found:
                found[-1] += line
            else:
                found.append(line)
    return found


def digest(base, one):
    before, after = blocks(base), blocks(one)
    gone, new = set(before) - set(after), set(after) - set(before)
    for block in before:
        if block in gone:
            print("".join("- " + line for line in block.splitlines(True)), end="")
    for block in after:
        if block in new:
            print(block, end="")


def main():
    if len(sys.argv) == 4 and sys.argv[1] == "cases":
        cases(sys.argv[2], sys.argv[3])
    elif len(sys.argv) == 4 and sys.argv[1] == "digest":
        digest(sys.argv[2], sys.argv[3])
    else:
        raise SystemExit(__doc__)


main()
