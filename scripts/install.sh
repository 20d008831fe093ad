#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# install.sh install|uninstall BINARY: the program, manual pages, completions, systemd units, examples; under $DESTDIR, for $PREFIX (/usr/local).
# Manual pages and completions are what the binary prints. uninstall removes what install made, and folders that are then empty.
set -eu
what=${1:-} binary=${2:-}
prefix=${PREFIX:-/usr/local} dest=${DESTDIR:-}
root=$(cd "$(dirname "$0")/.." && pwd)
case $prefix in /*) ;; *) echo "install.sh: PREFIX must begin with /: $prefix" >&2; exit 2 ;; esac
bin=$dest$prefix/bin man=$dest$prefix/share/man/man1 share=$dest$prefix/share
units=$dest$prefix/lib/systemd/system
if [ "$prefix" = /usr/local ]; then units=$dest/etc/systemd/system; fi # systemd's own order: an administrator's units
commands() { "$binary" help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p' | grep -vx -e help -e version; }

case $what in
install)
    [ -x "$binary" ] || { echo "install.sh: no binary: $binary" >&2; exit 2; }
    install -Dm755 "$binary" "$bin/postern"
    install -d "$man" "$units" "$share/bash-completion/completions" "$share/zsh/site-functions" "$share/fish/vendor_completions.d" "$share/postern"
    "$binary" help --man > "$man/postern.1"
    for c in $(commands); do "$binary" help "$c" --man > "$man/postern-$c.1"; done
    "$binary" completion bash > "$share/bash-completion/completions/postern"
    "$binary" completion zsh > "$share/zsh/site-functions/_postern"
    "$binary" completion fish > "$share/fish/vendor_completions.d/postern.fish"
    sed "s|@bindir@|$prefix/bin|" "$root/deploy/systemd/postern.service" > "$units/postern.service"
    cp "$root/deploy/systemd/postern.socket" "$units/postern.socket"
    cp -r "$root/examples" "$share/postern/"
    chmod 644 "$man"/postern*.1 "$units/postern.service" "$units/postern.socket"
    ;;
uninstall)
    rm -f "$bin/postern" "$man/postern.1" "$man"/postern-*.1 "$share/bash-completion/completions/postern" "$share/zsh/site-functions/_postern" \
        "$share/fish/vendor_completions.d/postern.fish" "$units/postern.service" "$units/postern.socket"
    rm -rf "$share/postern/examples"
    for d in "$bin" "$man" "$share/man" "$share/bash-completion/completions" "$share/bash-completion" "$share/zsh/site-functions" "$share/zsh" \
        "$share/fish/vendor_completions.d" "$share/fish" "$share/postern" "$share" "$units" "$(dirname "$units")"; do
        rmdir "$d" 2>/dev/null || :
    done
    ;;
*)
    echo "usage: install.sh install|uninstall BINARY" >&2
    exit 2
    ;;
esac
