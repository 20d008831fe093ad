# SPDX-License-Identifier: Apache-2.0
from cluster import case, equal, holds
from objects import config_map, pod, role, role_binding, script, secret, volumes

FOREVER = 'exec sleep 100000'
# Reads both files of one version, over and over; a version whose halves differ, or a file that is missing, is a failure.
READER = '''
last=
while :; do
    d=$(readlink /v/..data) || { echo "bad: no link"; continue; }
    a=$(cat /v/$d/a 2>/dev/null) && b=$(cat /v/$d/b 2>/dev/null) || continue  # that version is no more
    [ "$a" = "$b" ] || echo "bad: $a $b"
    [ -s /v/a ] || echo "bad: a is empty"
    [ "$a" = "$last" ] || echo "now $a"
    last=$a
done'''


@case
def volume_follows_its_secret(t):
    """Do the files of a Secret's volume change with it: soon, all at once, and with none missing meanwhile?"""
    t.apply(secret('s', a='v0', b='v0'))
    t.apply(pod('a', script(READER, mounts={'/v': 'v'}), volumes=volumes(v={'secret': {'secretName': 's'}})))
    t.running('a')
    for i in range(1, 6):
        t.apply(secret('s', a=f'v{i}', b=f'v{i}'))
        t.until(lambda: f'now v{i}\n' in t.log('a'), f'the pod sees version {i}')
    assert 'bad' not in t.log('a'), t.log('a')


@case
def volume_follows_its_config_map(t):
    """Do a ConfigMap's files come, go and change with it, but for a file that is mounted alone?"""
    t.apply(config_map('c', one='1', two='2'))
    t.apply(pod('a', script(FOREVER, mounts={'/v': 'v', '/alone': 'v/one'}), volumes=volumes(v={'configMap': {'name': 'c'}})))
    t.running('a')
    equal(t.exec('a', 'sh', '-c', 'cd /v; cat one two /alone'), '121')
    t.delete(config_map('c'))
    t.apply(config_map('c', one='10', three='3'))
    t.until(lambda: t.exec('a', 'sh', '-c', 'cd /v; ls; cat one three /alone').split() == ['one', 'three', '1031'], 'the files are those of the new one')


@case
def volume_of_chosen_keys(t):
    """Has a volume the chosen keys only, by their paths and with their modes; and does an optional one appear when its object does?"""
    t.apply(secret('s', a='A', b='B'))
    t.apply(pod('a', script(FOREVER, mounts={'/v': 'v', '/w': 'w'}), volumes=volumes(
        v={'secret': {'secretName': 's', 'defaultMode': 0o440, 'items': [{'key': 'a', 'path': 'x/y'}]}},
        w={'configMap': {'name': 'later', 'optional': True}})))
    t.running('a')
    equal(t.exec('a', 'sh', '-c', 'cd /v; ls; cat x/y; stat -Lc %a x/y; ls /w').split(), ['x', 'A440'])
    t.apply(config_map('later', k='here'))
    t.until(lambda: t.cluster.kubectl('exec', '-n', t.ns, 'a', '--', 'cat', '/w/k', check=False).stdout == 'here', 'the file appears')


@case
def pod_waits_for_its_volumes(t):
    """Does a pod wait for a Secret that is not there yet, and say so?"""
    t.apply(pod('a', script(FOREVER, mounts={'/v': 'v'}), volumes=volumes(v={'secret': {'secretName': 's'}})))
    p = t.until(lambda: (p := t.get('Pod', 'a')) and 's' in p['status'].get('message', '') and p, 'it says so')
    holds(p['status']['message'], 'secrets "s" not found')
    t.apply(secret('s', a='A'))
    t.running('a')
    equal(t.exec('a', 'cat', '/v/a'), 'A')


@case
def service_account_in_a_pod(t):
    """Is a pod its service account at the API server: by token, authority and address; allowed what a Role allows, and no more?"""
    t.apply(pod('a', script(FOREVER)))
    t.running('a')
    path = '/var/run/secrets/kubernetes.io/serviceaccount'
    def status(what):
        return t.exec('a', 'sh', '-c', f'curl -sS -o /dev/null -w "%{{http_code}}" --cacert {path}/ca.crt -H "Authorization: Bearer $(cat {path}/token)" '
                      f'https://kubernetes.default.svc/api/v1/namespaces/$(cat {path}/namespace)/{what}')
    equal((status('pods'), status('secrets')), ('403', '403'))
    t.apply(role('r', 'list'), role_binding('b', 'r', account='default', namespace=t.ns))
    t.until(lambda: status('pods') == '200', 'the Role allows it')
    equal(status('secrets'), '403')
    equal(t.exec('a', 'sh', '-c', 'curl -sS -k -o /dev/null -w "%{http_code}" https://kubernetes.default.svc/api/v1/pods'), '403', 'without the token')


@case
def tokens_are_replaced(t):
    """Is the token in a pod's volume replaced by another that is valid?"""
    t.apply(pod('a', script(FOREVER)))
    t.running('a')
    token = lambda: t.exec('a', 'cat', '/var/run/secrets/kubernetes.io/serviceaccount/token')
    before = token()
    t.cluster.control('rotate-tokens')
    t.until(lambda: token() not in ('', before), 'there is another')
    review = t.api.create({'apiVersion': 'authentication.k8s.io/v1', 'kind': 'TokenReview', 'metadata': {}, 'spec': {'token': token()}})
    equal(review['status'].get('user', {}).get('username'), f'system:serviceaccount:{t.ns}:default')
