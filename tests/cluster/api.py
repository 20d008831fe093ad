# SPDX-License-Identifier: Apache-2.0
"""The API server's client of the tests: JSON over one connection, and no more than tests need. A call takes a millisecond, where a kubectl takes 200."""
import http.client
import json
import ssl
import threading
import urllib.parse

ADDRESS = ('10.243.0.1', 6443)
APPLY, MERGE = 'application/apply-patch+yaml', 'application/merge-patch+json'


class ApiError(Exception):
    def __init__(self, status, body):
        self.status, self.reason, self.message = status, body.get('reason', ''), body.get('message', '')
        super().__init__(f'{status} {self.reason}: {self.message}')


class Api:
    """user, groups: whom to impersonate. One connection for each thread; a broken one is made again, the call is not."""

    def __init__(self, certs, user=None, groups=()):
        self.certs, self.user, self.groups = certs, user, groups
        self.tls = ssl.create_default_context(cafile=certs + '/ca.crt')
        self.tls.load_cert_chain(certs + '/admin.crt', certs + '/admin.key')
        self.local = threading.local()
        self.plurals = {}

    def as_user(self, user, *groups):
        return Api(self.certs, user, groups)

    def connection(self, timeout=30):
        return http.client.HTTPSConnection(*ADDRESS, context=self.tls, timeout=timeout)

    def headers(self, content):
        out = {'Content-Type': content, 'Accept': 'application/json'}
        if self.user:
            out['Impersonate-User'] = self.user
        if self.groups:
            out['Impersonate-Group'] = self.groups[0]
        return out

    def request(self, method, path, body=None, content='application/json'):
        """The object of the answer; ApiError where that is an error."""
        c = getattr(self.local, 'connection', None) or self.connection()
        self.local.connection = None  # until it has answered
        try:
            c.request(method, path, None if body is None else json.dumps(body), self.headers(content))
            r = c.getresponse()
            text = r.read()
        except (OSError, http.client.HTTPException):
            c.close()
            raise
        self.local.connection = c
        try:
            answer = json.loads(text)
        except ValueError:
            answer = {'message': text.decode('utf-8', 'replace')}
        if r.status >= 400:
            raise ApiError(r.status, answer)
        return answer

    def ready(self):
        try:
            self.request('GET', '/readyz')
            return True
        except (OSError, http.client.HTTPException, ApiError):
            return False

    def path(self, version, kind, name=None, namespace=None, **query):
        """The path of an object, or of all of a kind; the plural is the API server's to say."""
        prefix = f'/apis/{version}' if '/' in version else f'/api/{version}'
        if (version, kind) not in self.plurals:
            for r in self.request('GET', prefix)['resources']:
                if '/' not in r['name']:
                    self.plurals[version, r['kind']] = r['name'], r['namespaced']
        plural, namespaced = self.plurals[version, kind]
        out = prefix + (f'/namespaces/{namespace}' if namespaced and namespace else '') + '/' + plural + (f'/{name}' if name else '')
        return out + ('?' + urllib.parse.urlencode(query) if query else '')

    def path_of(self, o, **query):
        m = o['metadata']
        return self.path(o['apiVersion'], o['kind'], m['name'], m.get('namespace'), **query)

    def apply(self, *objects):
        """Server-side apply, by force; what the API server made of them."""
        return [self.request('PATCH', self.path_of(o, fieldManager='tests', force='true'), o, APPLY) for o in objects]

    def create(self, o):
        return self.request('POST', self.path(o['apiVersion'], o['kind'], None, o['metadata'].get('namespace')), o)

    def get(self, version, kind, name, namespace=None):
        return self.request('GET', self.path(version, kind, name, namespace))

    def list(self, version, kind, namespace=None, **query):
        return self.request('GET', self.path(version, kind, None, namespace, **query))

    def merge(self, o, patch, subresource=''):
        """subresource: as in /status"""
        return self.request('PATCH', self.path_of(o) + subresource, patch, MERGE)

    def delete(self, *objects, **options):
        for o in objects:
            try:
                self.request('DELETE', self.path_of(o), options)
            except ApiError as e:
                if e.status != 404:
                    raise

    def watch(self, version, kind, namespace=None, timeout=30, **query):
        """The events of a watch, as they come, until the server ends it."""
        c = self.connection(timeout)
        try:
            c.request('GET', self.path(version, kind, None, namespace, watch='true', **query), None, self.headers('application/json'))
            r = c.getresponse()
            if r.status >= 400:
                raise ApiError(r.status, json.loads(r.read()))
            for line in r:
                yield json.loads(line)
        finally:
            c.close()
