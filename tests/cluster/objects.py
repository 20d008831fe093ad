# SPDX-License-Identifier: Apache-2.0
"""Kubernetes' own objects, short to write. Those of Gateway API are in tests/e2e/manifests.py. None has a namespace: a case gives them its own."""
import base64

# What the restricted Pod Security Standard asks for, and a root file system that is read only.
RESTRICTED = {'allowPrivilegeEscalation': False, 'readOnlyRootFilesystem': True, 'runAsNonRoot': True, 'runAsUser': 65532, 'runAsGroup': 65532,
              'capabilities': {'drop': ['ALL']}, 'seccompProfile': {'type': 'RuntimeDefault'}}


def thing(version, kind, name, labels=None, **fields):
    return {'apiVersion': version, 'kind': kind, 'metadata': {'name': name, **({'labels': labels} if labels else {})}, **fields}


def container(name='main', image='sh', command=None, args=(), env=None, ports=(), mounts=None, **more):
    """The image `sh` is the shell, and has the programs of the host. mounts: volume name by path."""
    out = {'name': name, 'image': f'registry.example/tests/{image}:1', **more}
    if command:
        out['command'] = list(command)
    if args:
        out['args'] = list(args)
    if env:
        out['env'] = [{'name': k, 'value': v} if isinstance(v, str) else {'name': k, 'valueFrom': {'fieldRef': {'fieldPath': v[0]}}} for k, v in env.items()]
    if ports:
        out['ports'] = [{'name': k, 'containerPort': v} for k, v in ports]
    if mounts:
        out['volumeMounts'] = [{'name': v.split('/')[0], 'mountPath': k, **({'subPath': v.split('/', 1)[1]} if '/' in v else {})} for k, v in mounts.items()]
    return out


def script(text, name='main', **more):
    return container(name, args=['-c', text], **more)


def volumes(**sources):
    """volumes(a={'emptyDir': {}})"""
    return [{'name': k, **v} for k, v in sources.items()]


def pod_spec(*containers, grace=2, **spec):
    return {'containers': list(containers), 'terminationGracePeriodSeconds': grace, **spec}


def pod(name, *containers, labels=None, **spec):
    return thing('v1', 'Pod', name, labels or {'app': name}, spec=pod_spec(*containers, **spec))


def deployment(name, *containers, replicas=1, **spec):
    return thing('apps/v1', 'Deployment', name, spec={
        'replicas': replicas, 'selector': {'matchLabels': {'app': name}},
        'template': {'metadata': {'labels': {'app': name}}, 'spec': pod_spec(*containers, **spec)}})


def service(name, *ports, app=None, **spec):
    """ports: (port, targetPort)"""
    return thing('v1', 'Service', name, spec={
        'selector': {'app': app or name}, 'ports': [{'name': f'p{p}', 'port': p, 'targetPort': to} for p, to in ports or [(80, 3000)]], **spec})


def echo(name, replicas=1, **spec):
    """The suite's backend behind a Service on port 80: it answers with what it was asked, and by which pod."""
    main = container('echo', 'echo-basic', env={'POD_NAME': ('metadata.name',), 'NAMESPACE': ('metadata.namespace',)}, ports=[('http', 3000)],
                     readinessProbe={'tcpSocket': {'port': 3000}})
    return [deployment(name, main, replicas=replicas), service(name, (80, 3000), **spec)]


def secret(name, **data):
    return thing('v1', 'Secret', name, data={k: base64.b64encode(v.encode()).decode() for k, v in data.items()})


def config_map(name, **data):
    return thing('v1', 'ConfigMap', name, data=data)


def role(name, *verbs, resources=('pods',), groups=('',)):
    return thing('rbac.authorization.k8s.io/v1', 'Role', name, rules=[{'apiGroups': list(groups), 'resources': list(resources), 'verbs': list(verbs)}])


def role_binding(name, to, account=None, user=None, namespace=None):
    subject = {'kind': 'User', 'name': user, 'apiGroup': 'rbac.authorization.k8s.io'} if user else {'kind': 'ServiceAccount', 'name': account, 'namespace': namespace}
    return thing('rbac.authorization.k8s.io/v1', 'RoleBinding', name, roleRef={'apiGroup': 'rbac.authorization.k8s.io', 'kind': 'Role', 'name': to}, subjects=[subject])
