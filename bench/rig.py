# SPDX-License-Identifier: Apache-2.0
"""Three network namespaces (client, gateway, origin; veth between them), processes in them, and what these cost.

The gateway runs on core 0, load and origin on core 1. CPU time is schedstat of all threads of a contestant and its children; softirq work done
in its context is included. Needs root."""
import glob
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
OUT = os.environ.get('BENCH_OUT', ROOT + '/build/bench')
BIN, RUN = OUT + '/bin', OUT + '/run'
CERT, KEY, PEM = RUN + '/cert.pem', RUN + '/key.pem', RUN + '/both.pem'
CLIENT, GATEWAY, ORIGIN = 'bench-c', 'bench-g', 'bench-o'
GATEWAY_IP, ORIGIN_IP = '10.77.1.2', '10.77.2.2'
GATEWAY_CPU, LOAD_CPU = os.environ.get('GCPU', '0'), os.environ.get('LCPU', '1')
NICE = '-5'
CFLAGS = '-O2 -g -std=gnu17 -D_GNU_SOURCE -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wswitch-enum -Wvla -Werror'.split()
started = []


def sh(command, check=True):
    r = subprocess.run(command, shell=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if check and r.returncode:
        sys.exit(f'bench: {command}\n{r.stdout}')
    return r.stdout


def build():
    os.makedirs(BIN, exist_ok=True)
    for source in glob.glob(HERE + '/src/*.c'):
        binary = f'{BIN}/{os.path.basename(source)[:-2]}'
        if not os.path.exists(binary) or os.path.getmtime(binary) < os.path.getmtime(source):
            subprocess.run([os.environ.get('CC', 'cc'), *CFLAGS, '-o', binary, source, '-lssl', '-lcrypto'], check=True)


def up():
    os.makedirs(RUN, exist_ok=True)
    if not os.path.exists(PEM):
        sh(f'openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -subj /CN=h0.example.com '
           f'-addext subjectAltName=DNS:*.example.com -keyout {KEY} -out {CERT} 2>&1 && cat {CERT} {KEY} > {PEM}')
    down()
    for n in (CLIENT, GATEWAY, ORIGIN):
        sh(f'ip netns add {n} && ip -n {n} link set lo up')
        # BBR's pacing makes bulk transfers two to three times dearer over veth; reno is pinned so that machines compare
        for setting in ('ip_local_port_range="1024 65535"', 'tcp_tw_reuse=1', 'tcp_max_syn_backlog=16384', 'ip_forward=1', 'tcp_syncookies=0',
                        'tcp_congestion_control=reno', 'ip_local_reserved_ports=8080-8099,8443-8449,9000-9009,9970'):
            sh(f'ip netns exec {n} sysctl -qw net.ipv4.{setting}', check=False)
        sh(f'ip netns exec {n} sysctl -qw net.core.somaxconn=16384', check=False)
    sh(f'ip link add pc0 netns {CLIENT} type veth peer name pg0 netns {GATEWAY}')
    sh(f'ip link add pb0 netns {ORIGIN} type veth peer name pg1 netns {GATEWAY}')
    for n, device, address in ((CLIENT, 'pc0', '10.77.1.1'), (GATEWAY, 'pg0', GATEWAY_IP), (GATEWAY, 'pg1', '10.77.2.1'), (ORIGIN, 'pb0', ORIGIN_IP)):
        sh(f'ip -n {n} addr add {address}/24 dev {device} && ip -n {n} link set {device} up')
    sh(f'ip -n {CLIENT} route add 10.77.2.0/24 via {GATEWAY_IP} && ip -n {ORIGIN} route add 10.77.1.0/24 via 10.77.2.1')


def down():
    for n in (CLIENT, GATEWAY, ORIGIN):
        clear(n)
        sh(f'ip netns del {n}', check=False)


def prioritise():
    os.setsid()
    try:  # the scheduler may group by session: nice alone would not count
        with open('/proc/self/autogroup', 'w') as f:
            f.write(NICE)
    except OSError:
        pass


def enter(ns, cpu, argv):
    return ['ip', 'netns', 'exec', ns, 'nice', '-n', NICE, 'prlimit', '--nofile=20000:20000', 'taskset', '-c', cpu, *argv]


def spawn(ns, cpu, argv, log, cwd=None, env=None):
    with open(log, 'w') as out:
        p = subprocess.Popen(enter(ns, cpu, argv), stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, cwd=cwd,
                             env={**os.environ, **(env or {})}, preexec_fn=prioritise)
    started.append(p)
    return p


def client(argv, seconds, watched=None):
    """Runs a load program to its end, or until the watched process has ended; what it says, parsed."""
    c = subprocess.Popen(enter(CLIENT, LOAD_CPU, argv), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, preexec_fn=prioritise)
    end = time.monotonic() + seconds + 40
    while True:
        try:
            text = c.communicate(timeout=0.2 if watched else seconds + 40)[0]
            break
        except subprocess.TimeoutExpired:
            if time.monotonic() > end or (watched and watched.poll() is not None):
                c.kill()
    lines = text.strip().splitlines()
    try:
        return json.loads(lines[-1])
    except (ValueError, IndexError):
        return {'ops': 0, 'errors': 1, 'bytes': 0, 'seen': False, 'raw': ' '.join(lines)[-300:]}


def tree(pid):
    out = [pid]
    for p in out:
        for t in glob.glob(f'/proc/{p}/task/*/children'):
            try:
                with open(t) as f:
                    out += [int(x) for x in f.read().split()]
            except OSError:
                pass
    return out


def cpu_ns(pid):
    """Nanoseconds on a core, of a process and its descendants."""
    ns = 0
    for p in tree(pid):
        for t in glob.glob(f'/proc/{p}/task/[0-9]*/schedstat'):
            try:
                with open(t) as f:
                    ns += int(f.read().split()[0])
            except OSError:
                pass
    return ns


def pss_kb(pid):
    kb = 0
    for p in tree(pid):
        try:
            with open(f'/proc/{p}/smaps_rollup') as f:
                kb += int(re.search(r'^Pss:\s+(\d+)', f.read(), re.M).group(1))
        except (OSError, AttributeError):
            pass
    return kb


def settle(pid, quiet_s=0.3, limit_s=60):
    """Waits until the process has used no core to speak of for a while."""
    end = time.monotonic() + limit_s
    last, since = cpu_ns(pid), time.monotonic()
    while time.monotonic() < end and time.monotonic() - since < quiet_s:
        time.sleep(0.05)
        now = cpu_ns(pid)
        if now - last > 2e6:
            since = time.monotonic()
        last = now


def stop(p):
    """Ends a process that this program started, and its descendants: the parent first, or it would start them again. Returns when the last
    thread of each is gone, and with it the sockets: a process whose first thread has ended looks gone too early."""
    ends = []
    for q in tree(p.pid) if p.poll() is None else []:
        try:
            ends.append(os.pidfd_open(q))
            os.kill(q, signal.SIGKILL)
        except OSError:
            pass
    p.wait()
    for fd in ends:
        select.select([fd], [], [], 20)
        os.close(fd)
    if p in started:
        started.remove(p)


def clear(ns):
    """Nothing may be left in a namespace of ours; all that is in there was started here."""
    for _ in range(100):
        left = [int(x) for x in sh(f'ip netns pids {ns} 2>/dev/null', check=False).split() if x.isdigit()]
        for q in left:
            try:
                os.kill(q, signal.SIGKILL)
            except OSError:
                pass
        if not left:
            return
        time.sleep(.02)


def listening(port, ns):
    return bool(sh(f'ip netns exec {ns} ss -Hltn "sport = :{port}"', check=False))


def wait_listening(port, ns, limit_s=10):
    end = time.monotonic() + limit_s
    while not listening(port, ns):
        if time.monotonic() > end:
            sys.exit(f'bench: nothing listens on port {port} in {ns}')
        time.sleep(.02)


def origins():
    """Three origins on the load's core: the usual one, one that never closes (for the floor), one under another name (to see a change)."""
    for port, name, more in (('9000', 'b', []), ('9001', 'b', ['keep']), ('9003', 'other', [])):
        spawn(ORIGIN, LOAD_CPU, [BIN + '/backend', ORIGIN_IP, port, name, *more], f'{RUN}/backend-{port}.log')
        wait_listening(port, ORIGIN)


def fresh(path):
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path)
    return path
