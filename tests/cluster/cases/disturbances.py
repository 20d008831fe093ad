# SPDX-License-Identifier: Apache-2.0
import subprocess

from api import ApiError
from cluster import BIN, alone, case, equal, eventually
from manifests import GROUP, route, rule
from objects import config_map, echo, pod, role, role_binding, script

FOREVER = 'exec sleep 100000'
ENDS = 'while curl -sko /dev/null https://10.96.0.1/version; do sleep 0.1; done; exit 1'  # with the API server


@case
def users_by_impersonation(t):
    """Can a case act as a user who has no more than a Role gives?"""
    dev = t.api.as_user('dev')
    t.apply(role('r', 'get', 'list', resources=['configmaps']), role_binding('b', 'r', user='dev'))
    t.apply(config_map('c', k='v'))
    def allowed():
        return dev.get('v1', 'ConfigMap', 'c', t.ns)['data'] == {'k': 'v'}
    t.until(allowed, 'the Role allows it')
    try:
        dev.delete({'apiVersion': 'v1', 'kind': 'ConfigMap', 'metadata': {'name': 'c', 'namespace': t.ns}})
        raise AssertionError('it was deleted')
    except ApiError as e:
        equal(e.status, 403)


@case
def writes_are_counted(t):
    """Does a case learn how many writes of a kind there were?"""
    count = lambda: t.cluster.metric('apiserver_request_total', verb='PATCH', resource='grpcroutes', subresource='status')
    r = t.apply({'apiVersion': f'{GROUP}/v1', 'kind': 'GRPCRoute', 'metadata': {'name': 'r'}, 'spec': {}})
    before = count()
    for _ in range(3):
        t.api.merge(r, {'status': {'parents': []}}, '/status')
    t.until(lambda: count() - before == 3, 'the API server, which counts when it has answered, has counted them')


@case
def a_thousand_objects(t):
    """Does a case make and remove a thousand routes in seconds?"""
    routes = [route(rule('b'), name=f'r-{i}', namespace=t.ns) for i in range(1000)]
    t.api.list(f'{GROUP}/v1', 'HTTPRoute', t.ns)
    t.apply_many(routes)
    equal(len(t.api.list(f'{GROUP}/v1', 'HTTPRoute', t.ns)['items']), 1000)
    t.delete_many(routes)
    equal(len(t.api.list(f'{GROUP}/v1', 'HTTPRoute', t.ns)['items']), 0)


@case
@alone
def api_server_away_and_back(t):
    """Does what runs go on while the API server is away; is what changed meanwhile done and told afterwards; and is an old watch told that history is gone?"""
    t.apply(*echo('e', replicas=2, type='LoadBalancer'), pod('ends', script(ENDS), restartPolicy='Never'))
    t.available('e', 2)
    ip = t.address('e')
    t.told(ip)
    then = t.api.list('v1', 'ConfigMap', t.ns)['metadata']['resourceVersion']
    t.apply(config_map('c', k='v'))
    t.running('ends')
    load = t.load(ip, 80, '-m', 'close', conns=2)
    t.cluster.stop_api_server()
    assert not t.api.ready()
    t.told(ip)
    eventually(lambda: f'pod {t.ns}/ends: publishing the status' in t.cluster.component_log('node'), 'a pod ended meanwhile, and nobody could be told', 30)
    t.cluster.control('compact')
    t.cluster.start_api_server()
    equal(t.completed('ends'), 1)
    t.apply(pod('new', script(FOREVER)))
    t.running('new')
    events = t.api.watch('v1', 'ConfigMap', t.ns, resourceVersion=then)
    try:
        first = next(events)
        equal((first['type'], first['object'].get('code')), ('ERROR', 410))
    except ApiError as e:
        equal(e.status, 410)
    load.unharmed()


@case
@alone
def components_can_be_killed_and_held(t):
    """Can a component be killed and started again, and held for a while?"""
    t.cluster.control('kill', 'kube-controller-manager')
    t.cluster.control('pause', 'kube-proxy')
    t.cluster.control('go-on', 'kube-proxy')
    t.cluster.control('start', 'kube-controller-manager')
    t.apply(*echo('e'))
    t.available('e')
    t.told(t.get('Service', 'e')['spec']['clusterIP'])


@case
@alone
def custom_resources_of_other_versions(t):
    """Can a case change Gateway API's CRDs to older ones and back?"""
    kinds = lambda: {c['spec']['names']['kind']: c['metadata']['annotations']['gateway.networking.k8s.io/bundle-version']
                     for c in t.api.list('apiextensions.k8s.io/v1', 'CustomResourceDefinition')['items']}
    now = kinds()
    equal((now['Gateway'], now['GRPCRoute']), ('v1.7.0', 'v1.7.0'))
    t.cluster.crds('v1.0.0/standard')
    equal((kinds()['Gateway'], kinds()['GRPCRoute']), ('v1.0.0', 'v1.7.0'))
    t.cluster.crds('experimental')
    equal(kinds(), now)


@case
def clusters_beside_each_other(t):
    """Does another cluster run at the same time, with the same addresses, and leave nothing behind?"""
    dir = t.file('other')
    before = t.api.get('v1', 'Namespace', 'default')['metadata']['uid']
    r = subprocess.run([BIN + '/testcluster', 'up', '--dir', dir, '--', BIN + '/kubernetes', 'kubectl', 'get', 'namespace', 'default', '-o', 'jsonpath={.metadata.uid}'],
                       capture_output=True, text=True, timeout=120)
    equal(r.returncode, 0, r.stderr)
    assert len(r.stdout) == len(before) and r.stdout != before, f'{r.stdout} {before}'
    equal(t.api.get('v1', 'Namespace', 'default')['metadata']['uid'], before)
    netns = next(w for w in r.stderr.replace(',', ' ').split() if w.startswith('testcluster-'))
    assert netns not in subprocess.run(['ip', 'netns'], capture_output=True, text=True, check=True).stdout
