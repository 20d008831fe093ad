# SPDX-License-Identifier: Apache-2.0
# What the gates share; read by them, with $work, $here and $root set.
until_true() { # command...: within 20 seconds
    tries=0
    until "$@"; do
        tries=$((tries + 1))
        [ $tries -lt 400 ] || { echo "gates: in vain: $*" >&2; cat "$work"/*.log >&2; exit 1; }
        sleep 0.05
    done
}
build() { # output, source, options
    out=$1 src=$2
    shift 2
    ${CC:-cc} -O2 -g -std=gnu17 -D_GNU_SOURCE -Wall -Wextra -Wshadow -Wconversion -Werror -o "$work/$out" "$src" "$@"
}

build hload "$root/bench/src/hload.c" -lssl -lcrypto
build backend "$root/bench/src/backend.c"

# Free ports: sockets at once, so that they differ.
set -- $(python3 -c 'import socket
s = [socket.create_server(("127.0.0.1", 0)) for _ in range(4)]
print(*[x.getsockname()[1] for x in s])')
port=$1 origin_port=$2 admin_port=$3 tls_port=$4
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -subj /CN=h0.example.com -keyout "$work/key.pem" \
    -out "$work/cert.pem" 2> "$work/openssl.log" || { cat "$work/openssl.log" >&2; exit 1; }
cat "$work/cert.pem" "$work/key.pem" > "$work/both.pem"

cat > "$work/gates.yaml" <<MANIFEST
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: postern}
spec: {controllerName: postern.dev/gateway-controller}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw, namespace: default}
spec:
  gatewayClassName: postern
  listeners:
  - {name: http, port: 80, protocol: HTTP}
  - {name: https, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: cert}]}}
---
apiVersion: v1
kind: Secret
metadata: {name: cert, namespace: default}
type: kubernetes.io/tls
data: {tls.crt: $(base64 -w0 "$work/cert.pem"), tls.key: $(base64 -w0 "$work/key.pem")}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: all, namespace: default}
spec:
  parentRefs: [{name: gw}]
  rules: [{backendRefs: [{name: b, port: 80}]}]
---
apiVersion: v1
kind: Service
metadata: {name: b, namespace: default}
spec: {ports: [{name: http, port: 80, targetPort: $origin_port}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: b-1, namespace: default, labels: {kubernetes.io/service-name: b}}
addressType: IPv4
ports: [{name: http, port: $origin_port}]
endpoints: [{addresses: [127.0.0.1], conditions: {ready: true}}]
MANIFEST

children() { cat /proc/"$1"/task/*/children 2>/dev/null; }
ports() { echo --map-port "80:$port" --map-port "443:$tls_port"; }
answers() { curl -s -o /dev/null -m 1 -f "http://127.0.0.1:$port/"; }
