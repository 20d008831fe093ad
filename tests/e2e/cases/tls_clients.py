# SPDX-License-Identifier: Apache-2.0
"""Certificates of several kinds, options, and clients that must show who they are."""
import ssl

from client import Connection, trusting
from harness import case, equal, eventually
from manifests import gateway, listener, route, rule, secret, service, thing


def authority(t, name):
    cert, key = t.file(name + '.crt'), t.file(name + '.key')
    t.run('openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '30', '-subj', f'/CN={name}', '-keyout', key, '-out', cert)
    return cert, key


def signed(t, name, by):
    cert, key, asks = t.file(name + '.crt'), t.file(name + '.key'), t.file(name + '.csr')
    t.run('openssl', 'req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-subj', f'/CN={name}', '-keyout', key, '-out', asks)
    t.run('openssl', 'x509', '-req', '-in', asks, '-CA', by[0], '-CAkey', by[1], '-days', '30', '-out', cert)
    return cert, key


def bundle(name, *authorities):
    return thing('ConfigMap', name, version='v1', data={'ca.crt': ''.join(open(a[0]).read() for a in authorities)})


def validation(name, **more):
    return {'validation': {'caCertificateRefs': [{'group': '', 'kind': 'ConfigMap', 'name': name}], **more}}


def serve(t, frontend, *more):
    """HTTPS on 443 and 8443 for any host, with a certificate and a backend."""
    g = gateway(listener(443, 'a', 'HTTPS', None, ['w']), listener(8443, 'b', 'HTTPS', None, ['w']))
    g['spec']['tls'] = {'frontend': frontend}
    return t.serve(g, secret('w', *t.certificate('w', '*.example.com')), service('b', t.backend().port), route(rule('b')), *more, ports=(443, 8443))


def context(pair=None, version=None):
    x = trusting()
    if pair:
        x.load_cert_chain(*pair)
    if version:
        x.minimum_version = x.maximum_version = version
    return x


def outcome(s, port, pair, version=None):
    """200, or the alert; in TLS 1.3 it comes with the first read."""
    try:
        return s.ask(port=port, host='a.example.com', tls=context(pair, version)).status
    except ssl.SSLError as e:
        return e.reason
    except ConnectionError:
        return 'closed'


@case
def client_certificates(t):
    """Are clients let in by whom the Gateway trusts, by default and per port, and told why not?"""
    ca, other = authority(t, 'ca'), authority(t, 'other')
    good, strange = signed(t, 'good', ca), signed(t, 'strange', other)
    s = serve(t, {'default': validation('ca'), 'perPort': [{'port': 8443, 'tls': validation('other')}]}, bundle('ca', ca), bundle('other', other))
    for v in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        equal([outcome(s, p, who, v) for p, who in ((443, good), (8443, strange))], [200, 200])
        equal([outcome(s, p, who, v) for p, who in ((443, strange), (8443, good))], ['TLSV1_ALERT_UNKNOWN_CA'] * 2)
    equal(outcome(s, 443, None, ssl.TLSVersion.TLSv1_3), 'TLSV13_ALERT_CERTIFICATE_REQUIRED')
    eventually(lambda: 'reason="client_certificate_refused"} 4' in s.page('/metrics').text() and 'reason="client_certificate_missing"} 1' in s.page('/metrics').text(), 'the metrics tell')


@case
def client_certificates_fallback(t):
    """Is everyone let in with AllowInsecureFallback, and is that said?"""
    ca, other = authority(t, 'ca'), authority(t, 'other')
    s = serve(t, {'default': validation('ca', mode='AllowInsecureFallback')}, bundle('ca', ca))
    equal([outcome(s, 443, who) for who in (signed(t, 'good', ca), signed(t, 'strange', other), None)], [200] * 3)
    assert 'InsecureFrontendValidationMode' in s.page('/status').text()


@case
def client_authority_changes(t):
    """Does another authority hold at once: for new connections, resumed sessions and connections that are open?"""
    ca, other = authority(t, 'ca'), authority(t, 'other')
    good, strange = signed(t, 'good', ca), signed(t, 'strange', other)
    s = serve(t, {'default': validation('ca')})
    t.put('ca.yaml', bundle('ca', ca))
    eventually(lambda: outcome(s, 443, good) == 200, 'the first holds')
    s.everywhere()
    with Connection(s.port[443], context(good), 'a.example.com') as open_one:
        equal(open_one.ask(host='a.example.com').status, 200)
        t.put('ca.yaml', bundle('ca', other))
        eventually(lambda: outcome(s, 443, strange) == 200, 'the second holds')
        s.everywhere()
        equal(outcome(s, 443, good), 'TLSV1_ALERT_UNKNOWN_CA')
        equal(open_one.sock.recv(100), b'')


@case
def rsa_and_ecdsa(t):
    """Does each client get the certificate that it can verify?"""
    ecdsa = t.certificate('ecdsa', 'a.example.com')
    rsa = t.file('rsa.crt'), t.file('rsa.key')
    t.run('openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '30', '-subj', '/CN=a.example.com', '-addext', 'subjectAltName=DNS:a.example.com', '-keyout', rsa[1], '-out', rsa[0])
    s = t.serve(gateway(listener(443, 'a', 'HTTPS', None, ['rsa', 'ecdsa'])), secret('rsa', *rsa), secret('ecdsa', *ecdsa), service('b', t.backend().port), route(rule('b')), ports=(443,))
    for file, more in ((ecdsa[0], ()), (rsa[0], ('-sigalgs', 'RSA-PSS+SHA256')), (rsa[0], ('-tls1_2', '-cipher', 'ECDHE-RSA-AES128-GCM-SHA256')), (ecdsa[0], ('-tls1_2', '-sigalgs', 'ECDSA+SHA256'))):
        said = t.run('openssl', 's_client', '-connect', f'127.0.0.1:{s.port[443]}', '-servername', 'a.example.com', '-CAfile', file, '-verify_return_error', *more, status=None)
        assert 'Verify return code: 0' in said or 'Verification: OK' in said, said


@case
def tls_options(t):
    """Do a listener's options keep versions and ciphers away?"""
    one = listener(443, 'a', 'HTTPS', None, ['w'])
    one['tls']['options'] = {'postern.dev/max-tls-version': '1.2', 'postern.dev/tls-ciphers': 'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384'}
    s = t.serve(gateway(one), secret('w', *t.certificate('w', '*.example.com')), service('b', t.backend().port), route(rule('b')), ports=(443,))
    with Connection(s.port[443], context(), 'a.example.com') as c:
        equal((c.sock.version(), c.sock.cipher()[0]), ('TLSv1.2', 'ECDHE-ECDSA-AES256-GCM-SHA384'))
    try:
        Connection(s.port[443], context(version=ssl.TLSVersion.TLSv1_3), 'a.example.com').close()
        raise AssertionError('TLS 1.3 was spoken')
    except ssl.SSLError as e:
        equal(e.reason, 'TLSV1_ALERT_PROTOCOL_VERSION')
