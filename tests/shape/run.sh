#!/bin/sh
# Plants one breach at a time in a copy of clean/ and wants it reported, alone, at its place. CC=clang runs it with clang.
cd "$(dirname "$0")" || exit 2
t=$(mktemp -d) || exit 2; trap 'rm -rf "$t"' EXIT
cc="${CC:-gcc} -std=gnu17 -g ${CFLAGS--O1 -fPIE}"; passed=0; failed=0
build() { # every source of $t/src that compiles, laid out as CMake does it
    mkdir -p "$t/gen/api"; echo '#define API_FIELDS 3' >"$t/gen/api/fields_gen.h"
    (cd "$t/src" && find . -name '*.c') | while read -r c; do
        o=$t/obj/CMakeFiles/it.dir/src/$c.o; mkdir -p "${o%/*}"; $cc -I"$t/src" -I"$t/gen" -c "$t/src/$c" -o "$o" || exit 1
    done
}
# tree NAME WANTED COMMANDS: source rules. object NAME WANTED COMMANDS: with objects. WANTED: `path:line: rule`, several with `|`, '' for none.
tree() { plant "$@" no; }
object() { plant "$@" yes; }
bare() { plant "$@" bare; } # an OBJDIR that holds only what COMMANDS put there
plant() {
    rm -rf "$t/src" "$t/obj"; cp -r clean "$t/src"; mkdir "$t/obj"
    (cd "$t/src" && eval "$3") || { echo "FAIL $1: cannot plant"; failed=$((failed + 1)); return; }
    obj=$t/obj; [ "$4" != no ] || obj=
    if [ "$4" = yes ]; then build >"$t/log" 2>&1 || { echo "FAIL $1: does not compile"; cat "$t/log"; failed=$((failed + 1)); return; }; fi
    ../../scripts/shape.sh "$t/src" $obj >"$t/out" 2>"$t/sum"; rc=$?
    got=$(sed "s|^$t/src/||; s/^\([^:]*:[^:]*: [a-z]*\): .*/\1/" "$t/out" | paste -sd '|')
    [ -n "$2" ]; want_rc=$((1 - $?))
    if [ "$got" = "$2" ] && [ $rc = $want_rc ] && grep -q '^shape: [0-9]* files' "$t/sum"; then passed=$((passed + 1))
    else echo "FAIL $1: wanted [$2] got [$got] status $rc"; cat "$t/out"; failed=$((failed + 1)); fi
}
lines() { i=0; while [ $i -lt "$1" ]; do echo "$2"; i=$((i + 1)); done; }

object 'clean tree' '' true
tree   'clean tree without objects' '' true
# (a) mutable by section
object 'static variable'      'base/base.c:18: mutable' 'echo "static int own; int base_n(void) { return own++; }" >>base/base.c'
object 'extern variable'      'base/base.c:18: mutable' 'echo "int base_n = 3;" >>base/base.c'
object 'common variable'      'base/base.c:18: mutable' 'echo "int base_n __attribute__((common));" >>base/base.c'
object 'static local'         'base/base.c:19: mutable' 'printf "int base_n(void) {\n  static int calls; return calls++; }\n" >>base/base.c'
object 'thread-local, zero'   'base/base.c:18: mutable' 'echo "_Thread_local int base_n;" >>base/base.c'
object 'thread-local, value'  'base/base.c:18: mutable' 'echo "_Thread_local int base_n = 4;" >>base/base.c'
object 'table of pointers that is not const' 'base/base.c:18: mutable' 'echo "const char *base_t[] = {\"a\"};" >>base/base.c'
object 'variable in a section of its own' 'base/base.c:18: mutable' 'echo "int base_n __attribute__((section(\"mine\"))) = 1;" >>base/base.c'
object 'variable in GLOBALS'  '' 'echo "int base_n = 3;" >>base/base.c; echo "base.c base_n  a test" >>GLOBALS'
tree   'GLOBALS without a reason' 'GLOBALS:3: globals' 'echo "int base_n = 3;" >>base/base.c; echo "base.c base_n" >>GLOBALS'
tree   'GLOBALS names what is gone' 'GLOBALS:3: globals' 'echo "base.c base_gone  a test" >>GLOBALS'
# (b) functions
tree 'long function, brace on the line' 'base/base.c:18: function' '{ echo "void base_f(void) {"; lines 79 ";"; echo "}"; } >>base/base.c'
tree 'long function, brace on its own line' 'base/base.c:18: function' '{ echo "void base_f(void)"; echo "{"; lines 78 ";"; echo "}"; } >>base/base.c'
tree 'long function, long signature' 'base/base.c:18: function' '{ echo "static struct row *"; echo "base_f("; lines 39 "  int,"; echo "  int z) __attribute__((nonnull(1)))"; echo "{"; lines 37 ";"; echo "}"; } >>base/base.c'
tree 'long function, indented' 'base/base.c:18: function' '{ echo "  void base_f(void) {"; lines 79 ";"; echo "  }"; } >>base/base.c'
tree 'long function, braces in strings' 'base/base.c:18: function' '{ echo "void base_f(void) {"; echo " puts(\"}\"); /* } */ putchar(125 + '"'}'"'); // }"; lines 78 ";"; echo "}"; } >>base/base.c'
tree 'long function, an #if cuts its blocks' 'base/base.c:18: function' '{ echo "void base_f(void) {"; printf "#if A\n if (1) {\n#else\n if (2) {\n#endif\n"; lines 73 ";"; echo " }"; echo "}"; } >>base/base.c'
tree 'long function, an #if cuts unevenly' 'base/base.c:18: function' '{ echo "void base_f(void) {"; printf "#if A\n if (1) {\n#endif\n"; lines 40 ";"; printf "#if A\n }\n#else\n;\n#endif\n"; lines 31 ";"; echo "}"; } >>base/base.c'
tree 'long function, only in #else' 'base/base.c:20: function' '{ printf "#if A\n#else\nvoid base_f(void) {\n"; lines 79 ";"; printf "}\n#endif\n"; } >>base/base.c'
tree 'long function after #if, #else of whole functions' 'base/base.c:23: function' '{ printf "#if A\nint base_f(void) { return 0; }\n#else\nint base_f(void) { return 1; }\n#endif\nvoid base_g(void) {\n"; lines 79 ";"; echo "}"; } >>base/base.c'
tree 'long function in a header' 'base/base.h:9: function' '{ echo "static inline void base_f(void) {"; lines 79 ";"; echo "}"; } >>base/base.h'
tree 'function of 80 lines after a macro call' '' '{ echo "DEFINE(x)"; echo "void base_f(void) {"; lines 78 ";"; echo "}"; } >>base/base.c'
tree 'long table and long struct' '' '{ echo "const int base_t[] = {"; lines 90 "1,"; echo "};"; echo "DEFINE(x)"; echo "struct __attribute__((packed)) big {"; lines 90 "int x;"; echo "};"; } >>base/base.c'
# (c) includes
tree 'uphill include'         'base/base.c:18: layers' 'echo "#include \"io/io.h\"" >>base/base.c'
tree 'spaces in the directive' 'base/base.c:18: layers' 'printf "\t# \tinclude\t\"io/io.h\"\n" >>base/base.c'
tree 'after a comment'        'base/base.c:18: layers' 'echo "/* x */ #include \"io/io.h\"" >>base/base.c'
tree 'cut by a backslash'     'base/base.c:18: layers' 'printf "#incl\\\\\nude \"io/io.h\"\n" >>base/base.c'
tree 'uphill by ..'           'base/base.c:18: layers' 'echo "#include \"../io/io.h\"" >>base/base.c'
tree 'no folder: the root'    'base/base.c:18: layers' 'echo "#pragma once" >top.h; echo "#include \"top.h\"" >>base/base.c'
tree 'project header in <>'   'text/text.c:95: include' 'echo "#include <base/base.h>" >>text/text.c'
tree 'uphill in <>'           'base/base.c:18: include|base/base.c:18: layers' 'echo "#include <io/io.h>" >>base/base.c'
tree 'include of a macro'     'base/base.c:18: include' 'echo "#include HEADER" >>base/base.c'
tree 'generated is no exemption' 'base/gen.c:1: layers|base/gen.c:801: file' '{ echo "#include \"io/io.h\" /* generated */"; lines 800 ";"; } >base/gen.c'
# (d) pure folders, libraries
tree 'pure folder and the clock'  'base/base.c:18: pure' 'echo "#include <time.h>" >>base/base.c'
tree 'pure folder and a socket'   'base/base.c:18: pure' 'echo "#include <sys/socket.h>" >>base/base.c'
tree 'pure folder and a file'     'base/base.c:18: pure' 'echo "#include <unistd.h>" >>base/base.c'
tree 'pure folder, uses cannot name the clock' 'base/base.c:18: pure' 'echo "uses base: time.h" >>LAYERS; echo "#include <time.h>" >>base/base.c'
tree 'pure folder on one that is not' 'LAYERS:4: pure' 'sed -i "s/^api pure:/& io/" LAYERS'
tree 'threads outside io'         'main.c:9: threads' 'echo "#include <threads.h>" >>main.c'
tree 'threads outside io, uses cannot name them' 'main.c:9: threads' 'echo "uses .: pthread.h" >>LAYERS; echo "#include <pthread.h>" >>main.c'
tree 'library nobody names'       'io/io.c:6: library' 'echo "#include <openssl/ssl.h>" >>io/io.c'
tree 'library in quotes'          'io/io.c:6: library' 'echo "#include \"yaml.h\"" >>io/io.c'
tree 'library a pure folder names' '' 'echo "#include <openssl/ssl.h>" >>text/text.c; echo "#include <yaml.h>" >>text/text.c'
tree 'atomics in a pure folder, not named' 'base/base.c:18: library' 'echo "#include <stdatomic.h>" >>base/base.c'
# (e) names, doors, layers, sizes
tree 'two files of one name'   'io/base.c:1: name' ': >io/base.c'
tree 'one stem in two folders' 'text/text.c:1: name|text/text.h:1: name' ': >io/text.h'
tree 'no door'                 'api/api.h:1: door' 'mv api/api.h api/kinds.h; sed -i s/api.h/kinds.h/ api/api.c main.c'
tree 'door without Never'      'api/api.h:1: door' 'sed -i "s/Never:/never/" api/api.h'
tree 'door with an empty In'   'api/api.h:1: door' 'sed -i "s/In:.*Out/In: \n * Out/" api/api.h'
tree   'door: a later comment does not count' 'io/io.h:1: door' 'sed -i "/ Own:/d" io/io.h; echo "/* Own: x */" >>io/io.h'
tree   'door: no comment'      'io/io.h:1: door|io/io.h:1: door|io/io.h:1: door|io/io.h:1: door' 'echo "void io_run(void);" >io/io.h'
object 'symbol without its prefix' 'base/base.c:18: symbol' 'echo "int bases(void) { return 0; }" >>base/base.c'
object 'weak symbol without its prefix' 'base/base.c:18: symbol' 'echo "__attribute__((weak)) int other(void) { return 0; }" >>base/base.c'
object 'names that look made by a compiler' 'base/base.c:18: symbol|base/base.c:19: symbol' 'printf "int start_it(void) { return 0; }\nint __own(void) { return 0; }\n" >>base/base.c'
object 'main outside main.c'   'base/base.c:18: symbol' 'echo "int main(void) { return 0; }" >>base/base.c; rm main.c'
tree 'cycle'                   'LAYERS:2: cycle' 'sed -i "s/^base pure:/& text/" LAYERS'
tree 'LAYERS names what is not there' 'LAYERS:5: layers' 'sed -i "s/^io:/& nowhere/" LAYERS'
tree 'LAYERS names a folder twice' 'LAYERS:9: layers' 'echo "io: base" >>LAYERS'
tree 'LAYERS line that cannot be read' 'LAYERS:9: layers' 'echo "io base" >>LAYERS'
tree 'uses for no folder'      'LAYERS:9: layers' 'echo "uses nowhere: zlib.h" >>LAYERS'
tree 'folder without a line'   'LAYERS:1: layers' 'mkdir new; sed "s/api_kind/new_kind/" api/api.h >new/new.h'
tree 'file of 801 lines'       'base/big.c:801: file' 'lines 801 ";" >base/big.c'
tree 'file of 800 lines'       '' 'lines 800 ";" >base/big.c'
tree 'header of 301 lines'     'base/big.h:301: file' 'lines 301 "int x(void);" >base/big.h'
tree 'braces that do not close' 'base/base.c:19: function' 'echo "void base_f(void) { if (1) {" >>base/base.c'
# (f) objects
object 'objects of others'     '' 'mkdir -p ../obj/tests ../obj/_deps/x/src/base; echo "int bad;" >../bad.c; for o in tests/main.c.o tests/base.o _deps/x/src/base/base.c.o bad.o; do $cc -c ../bad.c -o ../obj/$o; done'
bare   'no object of this tree' 'LAYERS:1: object' 'mkdir ../obj/x; echo "int bad;" | $cc -xc -c - -o ../obj/x/bad.o'
object 'object that tells nothing' 'base/base.c:1: object' 'mkdir -p ../obj/base; echo no >../obj/base/base.o'
echo "$passed passed, $failed failed"; [ $failed = 0 ]
