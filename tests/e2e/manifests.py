# SPDX-License-Identifier: Apache-2.0
"""Objects, short to write. Documents are JSON, which is YAML."""
import base64
import json

GROUP = 'gateway.networking.k8s.io'


def documents(*objects):
    flat = []
    for o in objects:
        flat += o if isinstance(o, list) else [o]
    return '---\n'.join(json.dumps(o, indent=1) + '\n' for o in flat)


def thing(kind, name, spec=None, version=f'{GROUP}/v1', namespace='default', **more):
    o = {'apiVersion': version, 'kind': kind, 'metadata': {'name': name, **({'namespace': namespace} if namespace else {})}, **more}
    if spec is not None:
        o['spec'] = spec
    return o


def gateway_class():
    return thing('GatewayClass', 'postern', {'controllerName': 'postern.dev/gateway-controller'}, namespace=None)


def listener(port=80, name=None, protocol='HTTP', hostname=None, secrets=(), all_namespaces=False):
    out = {'name': name or f'{protocol.lower()}-{port}', 'port': port, 'protocol': protocol}
    if hostname:
        out['hostname'] = hostname
    if secrets:
        out['tls'] = {'mode': 'Terminate', 'certificateRefs': [{'name': s} for s in secrets]}
    if all_namespaces:
        out['allowedRoutes'] = {'namespaces': {'from': 'All'}}
    return out


def gateway(*listeners, name='gw', namespace='default'):
    return thing('Gateway', name, {'gatewayClassName': 'postern', 'listeners': list(listeners) or [listener()]}, namespace=namespace)


def path(value, kind='PathPrefix'):
    return {'path': {'type': kind, 'value': value}}


def ref(name, weight=None, port=80, **more):
    return {'name': name, 'port': port, **({'weight': weight} if weight is not None else {}), **more}


def rule(*backends, matches=None, filters=None, **more):
    out = {'backendRefs': [ref(b) if isinstance(b, str) else b for b in backends]} if backends else {}
    if matches:
        out['matches'] = list(matches)
    if filters:
        out['filters'] = list(filters)
    return {**out, **more}


def route(*rules, name='r', hostnames=None, parents=('gw',), namespace='default'):
    spec = {'parentRefs': [p if isinstance(p, dict) else {'name': p} for p in parents], 'rules': list(rules)}
    if hostnames:
        spec['hostnames'] = list(hostnames)
    return thing('HTTPRoute', name, spec, namespace=namespace)


def slices(name, ports, namespace='default'):
    """An EndpointSlice for each port on loopback (a slice has one port for all its addresses)."""
    return [thing('EndpointSlice', f'{name}-{i}', version='discovery.k8s.io/v1', namespace=namespace, addressType='IPv4',
                  ports=[{'name': 'http', 'port': p, 'protocol': 'TCP'}], endpoints=[{'addresses': ['127.0.0.1'], 'conditions': {'ready': True}}])
            | {'metadata': {'name': f'{name}-{i}', 'namespace': namespace, 'labels': {'kubernetes.io/service-name': name}}}
            for i, p in enumerate(ports)]


def service(name, *ports, namespace='default'):
    """A Service named so, served by 127.0.0.1 on these ports."""
    return [thing('Service', name, {'ports': [{'name': 'http', 'port': 80, 'targetPort': ports[0] if ports else 80, 'protocol': 'TCP'}]}, version='v1',
                  namespace=namespace), *slices(name, ports, namespace)]


def secret(name, cert, key, namespace='default'):
    b64 = lambda f: base64.b64encode(open(f, 'rb').read()).decode()
    return thing('Secret', name, version='v1', namespace=namespace, type='kubernetes.io/tls', data={'tls.crt': b64(cert), 'tls.key': b64(key)})


def headers(kind, **what):
    """A header filter: headers('request', set={...}, add={...}, remove=[...])"""
    words = {k: [{'name': n, 'value': v} for n, v in w.items()] if isinstance(w, dict) else list(w) for k, w in what.items()}
    return {'type': f'{kind.capitalize()}HeaderModifier', f'{kind}HeaderModifier': words}


def redirect(**what):
    return {'type': 'RequestRedirect', 'requestRedirect': what}


def rewrite(**what):
    return {'type': 'URLRewrite', 'urlRewrite': what}


def full_path(value):
    return {'type': 'ReplaceFullPath', 'replaceFullPath': value}


def prefix_path(value):
    return {'type': 'ReplacePrefixMatch', 'replacePrefixMatch': value}
