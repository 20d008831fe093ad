# SPDX-License-Identifier: Apache-2.0
"""What a kubeconfig may say of the way to the API server and of who asks, against the real one: postern status --kube goes that way."""
import contextlib
import json
import os
import socket
import subprocess
import threading

from cases.kube import here, programmed
from cluster import case, equal, holds, with_postern
from manifests import gateway

SERVER = '10.243.0.1', 6443


def kubeconfig(t, cluster, user):
    certs = t.cluster.dir + '/certs/'
    c = {'apiVersion': 'v1', 'kind': 'Config', 'current-context': 'c', 'contexts': [{'name': 'c', 'context': {'cluster': 'c', 'user': 'u', 'namespace': t.ns}}],
         'clusters': [{'name': 'c', 'cluster': {'server': 'https://%s:%d' % SERVER, 'certificate-authority': certs + 'ca.crt', **cluster}}],
         'users': [{'name': 'u', 'user': user or {'client-certificate': certs + 'admin.crt', 'client-key': certs + 'admin.key'}}]}
    with open(t.file('config'), 'w') as f:
        json.dump(c, f)
    os.chmod(t.file('config'), 0o600)
    return t.file('config')


def status(t, cluster=None, user=None):
    """What `postern status --kube` says by such a kubeconfig."""
    r = subprocess.run([os.environ['POSTERN'], 'status', '--kube', '--kubeconfig', kubeconfig(t, cluster or {}, user), '-n', t.ns], capture_output=True, text=True, timeout=60)
    return r.returncode, r.stdout + r.stderr


def shows_it(t, **how):
    t.apply(here(t, gateway()))
    programmed(t)
    code, text = status(t, **how)
    equal(code, 0, text)
    holds(text, 'gw')


def pump(a, b):
    with contextlib.suppress(OSError):
        while data := a.recv(65536):
            b.sendall(data)
    for s in a, b:
        with contextlib.suppress(OSError):
            s.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def forwarder(meet=lambda c: None):
    """Every connection goes to the API server, after meet() has spoken with whoever made it. Its port, and what was spoken."""
    listening, spoken = socket.create_server(('127.0.0.1', 0)), []
    def one(c):
        spoken.append(meet(c))
        there = socket.create_connection(SERVER)
        threading.Thread(target=pump, args=(there, c), daemon=True).start()
        pump(c, there)
    def accept():
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=one, args=(listening.accept()[0],), daemon=True).start()
    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listening.getsockname()[1], spoken
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()


def connect(c):
    """The proxy's part of a CONNECT [RFC 9110 9.3.6]; what it was asked."""
    head = b''
    while not head.endswith(b'\r\n\r\n'):
        head += c.recv(1)
    c.sendall(b'HTTP/1.1 200 OK\r\n\r\n')
    return head.decode().split('\r\n')[0]


@case
@with_postern
def kubeconfig_with_a_proxy(t):
    """Does the client reach the API server through the kubeconfig's proxy-url, and through nothing else?"""
    with forwarder(connect) as (port, spoken):
        shows_it(t, cluster={'proxy-url': f'http://127.0.0.1:{port}'})
        assert spoken and set(spoken) == {'CONNECT %s:%d HTTP/1.1' % SERVER}, spoken
    code, text = status(t, {'proxy-url': f'http://127.0.0.1:{port}'})
    assert code != 0, text


@case
@with_postern
def kubeconfig_with_a_server_name(t):
    """Is the API server's certificate checked for tls-server-name, where the address is not in it?"""
    with forwarder() as (port, _):
        server = f'https://127.0.0.1:{port}'
        shows_it(t, cluster={'server': server, 'tls-server-name': 'kubernetes.default.svc'})
        for wrong in {'server': server, 'tls-server-name': 'elsewhere.example'}, {'server': server}:
            code, text = status(t, wrong)
            assert code != 0, text
            holds(text, 'can not be asked', 'certificate')


@case
@with_postern
def kubeconfig_with_a_plugin(t):
    """Is a client certificate, and a token, taken from the program that the kubeconfig names; and is it told when that fails?"""
    def plugin(answer):
        with open(t.file('plugin'), 'w') as f:
            f.write('#!/bin/sh\n' + answer)
        os.chmod(t.file('plugin'), 0o755)
        return {'exec': {'apiVersion': 'client.authentication.k8s.io/v1', 'command': t.file('plugin'), 'interactiveMode': 'Never'}}
    def credential(**what):
        c = {'apiVersion': 'client.authentication.k8s.io/v1', 'kind': 'ExecCredential', 'status': what}
        return f"cat <<'END'\n{json.dumps(c)}\nEND\n"
    certs = t.cluster.dir + '/certs/admin.'
    shows_it(t, user=plugin(credential(clientCertificateData=open(certs + 'crt').read(), clientKeyData=open(certs + 'key').read())))
    token = t.cluster.kubectl('create', 'token', 'default', '-n', t.ns).strip()
    code, text = status(t, user=plugin(credential(token=token)))
    holds(text, f'User "system:serviceaccount:{t.ns}:default" cannot')
    code, text = status(t, user=plugin(credential(token='wrong')))
    assert code != 0, text
    holds(text, 'can not be asked', 'Unauthorized')
    code, text = status(t, user=plugin('echo it is broken >&2; exit 3'))
    assert code != 0, text
    holds(text, 'can not be asked', 'it is broken')
