# SPDX-License-Identifier: Apache-2.0
"""TLS towards backends: who is believed, who we are, and what an access record says when it fails."""
import ssl

from harness import case, equal, eventually, holds
from manifests import gateway, listener, route, rule, secret, service, thing


class Authority:
    """Signs certificates; made by openssl."""

    def __init__(self, t, name):
        self.t, self.name, self.serial = t, name, 0
        self.cert, self.key = t.file(f'{name}.ca.crt'), t.file(f'{name}.ca.key')
        t.run('openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '30', '-subj', f'/CN={name}',
              '-keyout', self.key, '-out', self.cert)

    def leaf(self, name, *names, days=30, kind='server'):
        """(certificate, key) for these subjectAltNames; days < 0: it has expired."""
        cert, key, request, more = (self.t.file(f'{self.name}.{name}.{x}') for x in ('crt', 'key', 'csr', 'ext'))
        self.serial += 1
        with open(more, 'w') as f:
            f.write(f'extendedKeyUsage={kind}Auth\n' + (f'subjectAltName={",".join(names)}\n' if names else ''))
        self.t.run('openssl', 'req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-subj', f'/CN={name}', '-keyout', key, '-out', request)
        begin, end = ('20200101000000Z', '20200201000000Z') if days < 0 else (None, None)
        if begin:  # `openssl x509` has no dates before 3.4; `openssl ca` has
            conf, database, serial = (self.t.file(f'{name}.{x}') for x in ('cnf', 'db', 'serial'))
            open(database, 'w').close()
            with open(conf, 'w') as f:
                f.write(f'[ca]\ndefault_ca=c\n[c]\ndatabase={database}\nserial={serial}\nnew_certs_dir={self.t.dir}\npolicy=p\ndefault_md=sha256\n[p]\ncommonName=supplied\n')
            self.t.run('openssl', 'ca', '-batch', '-config', conf, '-cert', self.cert, '-keyfile', self.key, '-in', request, '-out', cert, '-extfile', more,
                       '-startdate', begin, '-enddate', end, '-rand_serial', '-notext')
        else:
            self.t.run('openssl', 'x509', '-req', '-in', request, '-CA', self.cert, '-CAkey', self.key, '-set_serial', self.serial, '-days', days,
                       '-extfile', more, '-out', cert)
        return cert, key


def serving(cert, key, wants=None):
    """A server's context; wants: the authority of clients, who must show a certificate."""
    x = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    x.load_cert_chain(cert, key)
    if wants:
        x.load_verify_locations(wants)
        x.verify_mode = ssl.CERT_REQUIRED
    return x


def bundle(name, *files):
    return thing('ConfigMap', name, version='v1', data={'ca.crt': ''.join(open(f).read() for f in files)})


def policy(service_name='b', ca='ca', hostname='b.internal', names=None, name='p'):
    validation = {'hostname': hostname, **({'caCertificateRefs': [{'group': '', 'kind': 'ConfigMap', 'name': ca}]} if ca else {'wellKnownCACertificates': 'System'})}
    if names:
        validation['subjectAltNames'] = names
    return thing('BackendTLSPolicy', name, {'targetRefs': [{'group': '', 'kind': 'Service', 'name': service_name}], 'validation': validation})


def secured(t, context, *objects, ca=(), gw=None, **more):
    t.b = t.backend('b', context=context)
    return t.serve(gw or gateway(), route(rule('b')), service('b', t.b.port), bundle('ca', *ca), *objects, args=('--access-log', 'json'), **more)


def refused(s, t):
    """502 by backend_tls, and nothing of the request reached the backend."""
    before = len(t.b.requests)
    a = s.ask()
    equal((a.status, a.text().split(': ')[1]), (502, 'backend_tls'))
    equal(len(t.b.requests), before)
    eventually(lambda: '"reason":"backend_tls"' in s.text(), 'the access record says so')
    eventually(lambda: (s.metric('postern_upstream_tls_failures_total') or 0) >= 1, 'counted')
    eventually(lambda: (s.metric('postern_reasons_total', reason='backend_tls') or 0) >= 1, 'counted')


@case
def backend_tls_verified(t):
    """Does a BackendTLSPolicy make connections TLS, with its hostname as the server name, pooled and resumed?"""
    ca = Authority(t, 'ca')
    seen = []
    x = serving(*ca.leaf('b', 'DNS:b.internal'))
    x.sni_callback = lambda sock, name, _: seen.append(name) or None
    s = secured(t, x, policy(), ca=[ca.cert])
    for _ in range(3):
        equal(s.ask().get('X-Served-By'), 'b')
    equal(set(seen), {'b.internal'})
    assert t.b.connections <= 2, t.b.connections  # one of each worker


@case
def backend_tls_resumes(t):
    """Is a session resumed by later connections?"""
    ca = Authority(t, 'ca')
    s = secured(t, serving(*ca.leaf('b', 'DNS:b.internal')), policy(), ca=[ca.cert])
    def closing(stream, r):
        stream.body(r)
        stream.answer(200, [('Connection', 'close')], b'x')
        return False
    t.b.handler = closing
    for _ in range(8):
        equal(s.ask().status, 200)
    equal(t.b.connections, 8)
    assert t.b.resumed >= 5, t.b.resumed  # each of the two workers begins with a whole handshake


@case
def backend_tls_unknown_authority(t):
    """Is a certificate by another authority of the same name refused?"""
    ca, other = Authority(t, 'ca'), Authority(t, 'other')
    s = secured(t, serving(*other.leaf('b', 'DNS:b.internal')), policy(), ca=[ca.cert])
    refused(s, t)


@case
def backend_tls_expired(t):
    """Is a certificate that has expired refused?"""
    ca = Authority(t, 'ca')
    s = secured(t, serving(*ca.leaf('b', 'DNS:b.internal', days=-1)), policy(), ca=[ca.cert])
    refused(s, t)


@case
def backend_tls_wrong_name(t):
    """Is a certificate for other names refused, and one that has the name in its subject alone?"""
    ca = Authority(t, 'ca')
    s = secured(t, serving(*ca.leaf('b.internal', 'DNS:c.internal')), policy(), ca=[ca.cert])
    refused(s, t)


@case
def backend_tls_alt_names(t):
    """Do subjectAltNames decide, DNS names with wildcards and URIs byte for byte, and not the hostname?"""
    ca = Authority(t, 'ca')
    x = serving(*ca.leaf('b', 'DNS:b.internal', 'URI:spiffe://mesh/b'))
    s = secured(t, x, policy(names=[{'type': 'URI', 'uri': 'spiffe://mesh/b'}, {'type': 'Hostname', 'hostname': 'no.internal'}]), ca=[ca.cert])
    equal(s.ask().status, 200)
    t.put('main.yaml', *changed(t, policy(names=[{'type': 'URI', 'uri': 'spiffe://mesh/other'}]), ca))
    eventually(lambda: s.ask().status == 502, 'another URI is none of its names')
    s.everywhere()
    refused(s, t)
    t.put('main.yaml', *changed(t, policy(names=[{'type': 'Hostname', 'hostname': 'b.internal'}], hostname='x.internal'), ca))
    eventually(lambda: s.ask().status == 200, 'the DNS name is one')


def changed(t, *objects_and_ca, gw=None):
    *objects, ca = objects_and_ca
    from manifests import gateway_class
    return (gateway_class(), gw or gateway(), route(rule('b')), service('b', t.b.port), bundle('ca', *([ca.cert] if hasattr(ca, 'cert') else ca)), *objects)


@case
def backend_tls_plain_backend(t):
    """Does a backend that speaks no TLS give 502, and not a request in the clear?"""
    ca = Authority(t, 'ca')
    s = secured(t, None, policy(), ca=[ca.cert])
    refused(s, t)


@case
def backend_tls_system(t):
    """Are the system's authorities asked when the policy says so (here, none of them has signed)?"""
    ca = Authority(t, 'ca')
    s = secured(t, serving(*ca.leaf('b', 'DNS:b.internal')), policy(ca=None), ca=[ca.cert])
    refused(s, t)


@case
def backend_tls_invalid_policy(t):
    """Does a policy whose authorities can not be found answer 503 by its own reason, never in the clear?"""
    ca = Authority(t, 'ca')
    s = secured(t, serving(*ca.leaf('b', 'DNS:b.internal')), policy(ca='missing'), ca=[ca.cert])
    a = s.ask()
    equal((a.status, a.text().split(': ')[1]), (503, 'backend_invalid'))
    equal(t.b.connections, 0)


def client_gateway(name='client'):
    g = gateway()
    g['spec']['tls'] = {'backend': {'clientCertificateRef': {'group': '', 'kind': 'Secret', 'name': name}}}
    return g


@case
def backend_client_certificate(t):
    """Is the Gateway's client certificate shown to backends that ask for one, and followed when it changes?"""
    ca, clients = Authority(t, 'ca'), Authority(t, 'clients')
    shown = []
    def tell(stream, r):
        shown.append(dict(x[0] for x in stream.sock.getpeercert()['subject'])['commonName'])
        stream.body(r)
        stream.answer(200, [], b'x')
        return True
    x = serving(*ca.leaf('b', 'DNS:b.internal'), wants=clients.cert)
    s = secured(t, x, policy(), secret('client', *clients.leaf('first', kind='client')), ca=[ca.cert], gw=client_gateway())
    t.b.handler = tell
    equal(s.ask().status, 200)
    equal(shown, ['first'])
    t.put('main.yaml', *changed(t, policy(), secret('client', *clients.leaf('second', kind='client')), ca, gw=client_gateway()))
    eventually(lambda: s.ask().status == 200 and shown[-1] == 'second', 'the new one is shown')


@case
def backend_wants_certificate(t):
    """Does a backend that asks for a client certificate and gets none give 502 by backend_tls?"""
    ca, clients = Authority(t, 'ca'), Authority(t, 'clients')
    for version in (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2):
        x = serving(*ca.leaf('b', 'DNS:b.internal'), wants=clients.cert)
        x.maximum_version = version
        s = secured(t, x, policy(), ca=[ca.cert])
        refused(s, t)
        s.stop()


@case
def backend_ca_rotates(t):
    """Is the authority of backends replaced without one failed request: both trusted, then the new certificate, then the new one alone?"""
    old, new = Authority(t, 'old'), Authority(t, 'new')
    s = secured(t, serving(*old.leaf('b', 'DNS:b.internal')), policy(), ca=[old.cert], ports=(80, 81))
    load = t.load(s.port[80])
    # a port is opened once every worker goes by the table that has it
    t.put('main.yaml', *changed(t, policy(), [old.cert, new.cert], gw=gateway(listener(), listener(81))))
    eventually(lambda: answers(s, 81), 'both are believed')
    t.b.context = serving(*new.leaf('b', 'DNS:b.internal'))
    t.put('main.yaml', *changed(t, policy(), [new.cert]))
    eventually(lambda: not answers(s, 81), 'the old one is believed no more')
    equal(s.ask().status, 200)
    load.unharmed()


def answers(s, port):
    try:
        return s.ask(port=port).status == 200
    except OSError:
        return False
