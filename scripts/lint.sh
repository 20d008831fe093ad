#!/bin/sh
# lint.sh BUILD: clang-format and clang-tidy over our sources. lint.sh --format: the first alone, as quick as it is.
cd "$(dirname "$0")/.." || exit 2
sources=$(git ls-files 'src/*.[ch]' 'tests/*.[ch]' 'fuzz/*.c' 'bench/*.c' | grep -v '^tests/shape/')
# shellcheck disable=SC2086
clang-format --dry-run -Werror $sources || { echo "run: make fmt"; exit 1; }
[ "$1" != --format ] || exit 0
git ls-files 'src/*.c' | xargs -P "$(nproc)" -n 4 clang-tidy -p "$1" --quiet 2>/dev/null
