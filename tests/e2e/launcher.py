# SPDX-License-Identifier: Apache-2.0
"""launcher.py PORT,... COMMAND...: what a service manager does for socket activation: listens, gives the sockets as descriptors 3 and on, then becomes the command."""
import os
import socket
import sys

fds = []
for port in sys.argv[1].split(','):
    s = socket.socket(socket.AF_INET6)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    s.bind(('::', int(port)))
    s.listen(64)
    fds.append(s.detach())
high = [os.dup(fd) for fd in fds]
for i, fd in enumerate(high):
    os.dup2(fd, 3 + i)
os.environ |= {'LISTEN_PID': str(os.getpid()), 'LISTEN_FDS': str(len(fds))}
os.execv(sys.argv[2], sys.argv[2:])
