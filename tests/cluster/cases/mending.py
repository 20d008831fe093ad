# SPDX-License-Identifier: Apache-2.0
"""What people are told who have to mend something, and what they may do."""
import os
import subprocess

from api import ApiError
from cases.kube import ROOT, condition, programmed
from cases.under_load import SECONDS, V1, certificate
from client import trusting
from cluster import case, equal, with_postern
from manifests import GROUP, gateway, gateway_class, listener, route, rule
from objects import echo

RBAC = 'rbac.authorization.k8s.io'


@case
@with_postern
def told_enough_to_mend_a_certificate(t):
    """Do describe's Events and status --kube name the Secret that a listener lacks, does explain --kube say that there is no such listener; and does it serve once that is there?"""
    t.apply(*echo('e'), gateway(listener(8443, protocol='HTTPS', secrets=['cert']), namespace=t.ns), route(rule('e'), namespace=t.ns))
    postern = lambda *args: subprocess.run([os.environ['POSTERN'], *args, '--kube', '--kubeconfig', t.cluster.dir + '/kubeconfig'],
                                           capture_output=True, text=True, timeout=30).stdout
    events = lambda: t.cluster.kubectl('describe', 'gateway', 'gw', '-n', t.ns).partition('Events:')[2]
    t.until(lambda: 'InvalidCertificateRef' in events(), 'an Event tells of the certificate', SECONDS)
    asked = 'https://example.com:8443/'  # a port that no other case's Gateway has
    for text in (events(), postern('status', '-n', t.ns)):
        assert f'Secret {t.ns}/cert does not exist' in text, text
    text = postern('explain', '-n', t.ns, 'GET', asked)
    assert 'no connection' in text and 'no HTTPS listener has port 8443' in text, text
    pair, pem = certificate(t, 'c')
    t.apply(pair)
    programmed(t)
    t.told(t.gateway_address(), 8443, tls=trusting())
    text = postern('status', '-n', t.ns)
    assert f'{t.ns}/gw' in text and f'{t.ns}/cert' not in text and 'Problems' not in text, text
    text = postern('explain', '-n', t.ns, 'GET', asked)
    assert 'answer    200' in text or 'e:80' in text, text


def refused(what):
    try:
        what()
    except ApiError as e:
        equal(e.status, 403)
    else:
        raise AssertionError('it was allowed')


@case
@with_postern
def rights_of_personas(t):
    """May the infrastructure provider have classes, the operator Gateways, who edits a namespace its routes, who views it read them, and none of them more?"""
    t.cluster.kubectl('apply', '--server-side', '-f', ROOT + '/deploy/roles.yaml')
    roles = {'provider': 'gateway-infrastructure-provider', 'operator': 'gateway-cluster-operator', 'editor': 'edit', 'viewer': 'view'}
    for user, role in roles.items():
        everywhere = user in ('provider', 'operator')
        t.api.apply({'apiVersion': f'{RBAC}/v1', 'kind': 'ClusterRoleBinding' if everywhere else 'RoleBinding',
                     'metadata': {'name': f'{t.ns}-{user}', **({} if everywhere else {'namespace': t.ns})},
                     'roleRef': {'apiGroup': RBAC, 'kind': 'ClusterRole', 'name': role}, 'subjects': [{'apiGroup': RBAC, 'kind': 'User', 'name': f'{t.ns}-{user}'}]})
        if everywhere:
            t.finally_(lambda user=user: t.api.delete({'apiVersion': f'{RBAC}/v1', 'kind': 'ClusterRoleBinding', 'metadata': {'name': f'{t.ns}-{user}'}}))
    provider, operator, editor, viewer = [t.api.as_user(f'{t.ns}-{user}') for user in roles]
    own_class = gateway_class()
    own_class['metadata']['name'] = t.ns
    own_class['spec']['controllerName'] = 'example.com/another'
    allowed = lambda what, who: t.until(what, f'the {who} is allowed to')

    allowed(lambda: provider.create(own_class), 'provider')
    gw, r = gateway(namespace=t.ns), route(rule('e'), namespace=t.ns)
    refused(lambda: provider.create(gw))
    allowed(lambda: operator.create(gw), 'operator')
    refused(lambda: operator.delete(own_class))
    refused(lambda: operator.create(r))
    allowed(lambda: editor.create(r), 'editor')
    refused(lambda: editor.delete(gw))
    refused(lambda: editor.merge(gw, {'spec': {'listeners': [listener(81)]}}))
    refused(lambda: editor.list(V1, 'HTTPRoute', 'default'))
    allowed(lambda: viewer.get(V1, 'HTTPRoute', 'r', t.ns), 'viewer')
    allowed(lambda: condition(viewer.get(V1, 'Gateway', 'gw', t.ns), 'Programmed') == 'True/Programmed', 'viewer')
    refused(lambda: viewer.delete(r))
    for who in (operator, editor, viewer):
        refused(lambda: who.merge(gw, {'status': {'addresses': []}}, '/status'))
    editor.delete(r)
    operator.delete(gw)
    provider.delete(own_class)
