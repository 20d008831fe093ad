# SPDX-License-Identifier: Apache-2.0
"""What a case on the cluster works with. It runs inside the cluster's network namespace: every address of the cluster is its own to ask."""
import concurrent.futures
import contextlib
import ipaddress
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BIN = ROOT + '/build/cluster'
sys.path.append(ROOT + '/tests/e2e')
from api import Api, ApiError
from client import ask
from harness import Process, equal, eventually, holds  # noqa: F401 (for the cases)
from manifests import GROUP

CASES = {}
PARENT, STARTED = 1, 19  # of PodProcess.stat()


def case(f):
    """Registers a case: a function of one argument, whose docstring is its question."""
    assert f.__name__ not in CASES and f.__doc__, f.__name__
    CASES[f.__name__] = f
    return f


def with_binary(f):
    """A case that runs postern in a pod: the image `postern`."""
    f.with_binary = True
    return f


def with_postern(f):
    """A case about postern in the cluster, as deploy/install.yaml puts it there."""
    f.with_postern = True
    return f


def alone(f):
    """A case that disturbs the whole cluster: no other runs meanwhile."""
    f.alone = True
    return f


class Load:
    """Requests without a pause from a few connections, until told to end; every failure is counted. More options: see bench/src/hload.c."""

    def __init__(self, t, address, port=80, *options, host='example.com', conns=8, name='load'):
        self.p = Process(t, [t.cluster.hload, '-a', address, '-p', str(port), '-c', str(conns), '-d', '600', '-H', host, *options], name + '.json')

    def result(self):
        self.p.hears_term()
        self.p.end()
        r = json.loads(self.p.text().strip().splitlines()[-1])
        assert r['ops'] > 0, f'nothing was answered: {r}'
        return r

    def unharmed(self):
        """Ends it; every request was answered with 200."""
        r = self.result()
        assert r['errors'] == 0 and r['non200'] == 0, f'requests failed: {r}'
        return r


class PodProcess:
    """A process of a pod, as the machine sees it."""

    def __init__(self, pid):
        self.pid = pid

    def __repr__(self):
        return f'<{self.pid} {self.name()}>'

    def read(self, name):
        return open(f'/proc/{self.pid}/{name}').read()

    def name(self):
        return self.read('comm').strip()

    def pss_kib(self):
        return int(re.search(r'^Pss: +(\d+)', self.read('smaps_rollup'), re.M)[1])

    def descriptors(self):
        return len(os.listdir(f'/proc/{self.pid}/fd'))

    def stat(self):
        """The fields after the name: state, parent, ... [proc(5) /proc/pid/stat]"""
        return self.read('stat').rsplit(') ', 1)[1].split()

    def cpu_s(self):
        user, system = self.stat()[11:13]
        return (int(user) + int(system)) / os.sysconf('SC_CLK_TCK')

    def kill(self, sig=signal.SIGKILL):
        os.kill(self.pid, sig)


def processes_in(netns):
    """Those of a network namespace; parents before children, whatever their numbers are, which begin again from below."""
    pids = subprocess.run(['ip', 'netns', 'pids', netns], capture_output=True, text=True, check=True).stdout.split()
    stats = {}
    for p in map(int, pids):
        with contextlib.suppress(OSError):  # it has ended
            stats[p] = PodProcess(p).stat()
    def depth(p):
        return 1 + depth(int(stats[p][PARENT])) if p in stats else 0
    return [PodProcess(p) for p in sorted(stats, key=lambda p: (depth(p), int(stats[p][STARTED]), p))]


class Cluster:
    """The cluster whose directory is in CLUSTER."""

    def __init__(self, hload=None):
        self.dir, self.hload = os.environ['CLUSTER'], hload
        self.api = Api(self.dir + '/certs')

    def kubectl(self, *args, text=None, check=True):
        """What kubectl prints. For what only it does; the api is quicker."""
        r = subprocess.run([BIN + '/kubernetes', 'kubectl', *args], input=text, capture_output=True, text=True, timeout=60)
        assert not check or r.returncode == 0, f'kubectl {args}: {r.stderr}'
        return r if not check else r.stdout

    def control(self, *args):
        """stop, kill, start, pause, go-on COMPONENT; compact; rotate-tokens."""
        r = subprocess.run([BIN + '/testcluster', 'control', '--dir', self.dir, *args], capture_output=True, text=True, timeout=60)
        assert r.returncode == 0, r.stderr

    def stop_api_server(self):
        self.control('stop', 'kube-apiserver')

    def start_api_server(self):
        self.control('start', 'kube-apiserver')
        eventually(self.api.ready, 'the API server is ready', 60)

    def metric(self, name, **labels):
        """The sum of the API server's samples of this metric with these labels: apiserver_request_total has verb, resource, subresource, code."""
        total = 0.0
        for line in self.api.request('GET', '/metrics')['message'].splitlines():
            m = re.match(r'(\w+)(?:\{(.*)\})? (\S+)$', line)
            if m and m[1] == name and all(f'{k}="{v}"' in (m[2] or '') for k, v in labels.items()):
                total += float(m[3])
        return total

    def crds(self, which):
        """Replaces Gateway API's CRDs: 'standard', 'experimental', or those of an older version, 'v1.0.0/standard'. Objects stay, fields that are gone go."""
        # The guard of newer versions against just this.
        for kind in ('ValidatingAdmissionPolicyBinding', 'ValidatingAdmissionPolicy'):
            self.api.delete({'apiVersion': 'admissionregistration.k8s.io/v1', 'kind': kind, 'metadata': {'name': 'safe-upgrades.gateway.networking.k8s.io'}})
        flag = '-k' if os.path.exists(f'{BIN}/crds/{which}/kustomization.yaml') else '-f'
        def applied():  # the API server goes on by the guard for a moment after its deletion
            r = self.kubectl('apply', '--server-side', '--force-conflicts', flag, f'{BIN}/crds/{which}', check=False)
            assert r.returncode == 0 or 'safe-upgrades' in r.stderr, r.stderr
            return r.returncode == 0
        eventually(applied, 'the CRDs are applied', 30)
        self.kubectl('wait', '--for=condition=Established', 'crd', '--all', '--timeout=30s')

    def component_log(self, name):
        return open(f'{self.dir}/logs/{name}.log', errors='replace').read()


class Case:
    """One case, in a namespace of its own: objects without a namespace are meant to be there."""

    def __init__(self, cluster, name):
        self.cluster, self.api = cluster, cluster.api
        self.dir = tempfile.mkdtemp(prefix='postern-cluster-')
        self.cleanups = []
        self.ns = self.namespace(name.replace('_', '-')[:50])
        # pods are not admitted before their service account is there
        self.until(lambda: self.get('ServiceAccount', 'default'), 'the namespace has a service account')

    def namespace(self, prefix='more', **labels):
        """A new namespace; gone with the case."""
        o = self.api.create({'apiVersion': 'v1', 'kind': 'Namespace', 'metadata': {'generateName': prefix + '-', 'labels': labels}})
        self.finally_(lambda: self.api.delete(o))
        return o['metadata']['name']

    def file(self, name):
        return os.path.join(self.dir, name)

    def finally_(self, f):
        self.cleanups.append(f)

    def end(self):
        for f in reversed(self.cleanups):
            f()
        shutil.rmtree(self.dir, ignore_errors=True)

    def placed(self, objects):
        flat = [x for o in objects for x in (o if isinstance(o, list) else [o])]
        cluster_wide = ('Namespace', 'GatewayClass', 'ClusterRole', 'ClusterRoleBinding', 'CustomResourceDefinition')
        return [o if o['kind'] in cluster_wide or 'namespace' in o['metadata'] else {**o, 'metadata': {**o['metadata'], 'namespace': self.ns}} for o in flat]

    def apply(self, *objects):
        """Applies objects, and lists of them; what became of the first."""
        return self.api.apply(*self.placed(objects))[0]

    def apply_many(self, objects, together=4):
        """Applies a great number of objects, some at a time, in no order."""
        with concurrent.futures.ThreadPoolExecutor(together) as pool:
            list(pool.map(self.api.apply, self.placed(objects)))

    def delete_many(self, objects, together=4):
        with concurrent.futures.ThreadPoolExecutor(together) as pool:
            list(pool.map(self.api.delete, self.placed(objects)))

    def delete(self, *objects, **options):
        self.api.delete(*self.placed(objects), **options)

    def get(self, kind, name, version='v1', namespace=None):
        """The object, or None."""
        try:
            return self.api.get(version, kind, name, namespace or self.ns)
        except ApiError as e:
            if e.status == 404:
                return None
            raise

    def until(self, condition, what, within=60.0):
        """Polls until the condition is true; what it returned. The API server may be away meanwhile."""
        return eventually(lambda: tolerant(condition), what, within, 0.05)

    def pods(self, app):
        return self.api.list('v1', 'Pod', self.ns, labelSelector=f'app={app}')['items']

    def running(self, name, ready=True):
        """The pod, once it runs (and is ready)."""
        def is_it():
            p = self.get('Pod', name)
            conditions = {c['type']: c['status'] for c in (p or {}).get('status', {}).get('conditions', [])}
            return p if p and p['status'].get('phase') == 'Running' and (not ready or conditions.get('Ready') == 'True') else None
        return self.until(is_it, f'pod {name} runs: {(self.get("Pod", name) or {}).get("status")}')

    def completed(self, name):
        """The exit code of a pod's first container, once it has ended for good."""
        p = self.until(lambda: (p := self.get('Pod', name)) and p['status'].get('phase') in ('Succeeded', 'Failed') and p, f'pod {name} completes')
        return p['status']['containerStatuses'][0]['state']['terminated']['exitCode']

    def available(self, name, replicas=1):
        """The deployment, once so many pods of it serve, and no others are left."""
        def is_it():
            d = self.get('Deployment', name, 'apps/v1')
            return d if d and d.get('status', {}).get('availableReplicas', 0) == replicas and len(self.pods(name)) == replicas else None
        return self.until(is_it, f'deployment {name} has {replicas} available')

    def container_status(self, name):
        return (self.get('Pod', name)['status'].get('containerStatuses') or [{}])[0]

    def processes(self, pod, namespace=None):
        """The processes of a pod, the first of its container first."""
        a, b = self.get('Pod', pod, namespace=namespace)['status']['podIP'].split('.')[2:]
        netns = open(self.cluster.dir + '/netns').read() + f'-{int(a) * 256 + int(b)}'
        return processes_in(netns)

    def log(self, pod, *options):
        return self.cluster.kubectl('logs', '-n', self.ns, pod, *options)

    def exec(self, pod, *argv, options=(), text=None):
        """What a program prints that runs in the pod; AssertionError where it fails."""
        return self.cluster.kubectl('exec', '-n', self.ns, pod, *(('-i',) if text is not None else ()), *options, '--', *argv, text=text)

    def address(self, service, family=4):
        """The load-balancer address of a Service, once it has one."""
        def has():
            s = self.get('Service', service)
            ips = [i['ip'] for i in s['status']['loadBalancer'].get('ingress', [])]
            return next((i for i in ips if ipaddress.ip_address(i).version == family), None)
        return self.until(has, f'Service {service} has an IPv{family} address')

    def gateway_address(self, name='gw', family=4):
        """The address in a Gateway's status, once it has one."""
        def has():
            ips = [a['value'] for a in self.get('Gateway', name, f'{GROUP}/v1').get('status', {}).get('addresses', []) if a.get('type', 'IPAddress') == 'IPAddress']
            return next((i for i in ips if ipaddress.ip_address(i).version == family), None)
        return self.until(has, f'Gateway {name} has an IPv{family} address')

    def told(self, address, port=80, target='/', **more):
        """What the echo backend behind an address was asked, once it answers."""
        a = self.until(lambda: (a := ask(port, target, address=address, **more)).status == 200 and a, f'{address}:{port} answers')
        return a.json()

    def load(self, address, port=80, *options, **more):
        return Load(self, address, port, *options, **more)


def tolerant(condition):
    """An API server that is away or refuses is no answer yet."""
    try:
        return condition()
    except ApiError as e:
        raise ValueError(str(e)) from e
