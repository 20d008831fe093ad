// SPDX-License-Identifier: Apache-2.0

// The field tables against the CRDs of the Gateway API: do they have the same fields (tables.go), and do they judge alike (differ.go)?
package main

import (
	"fmt"
	"os"
	"runtime/debug"
	"sync"
)

const shownMax = 40

// tally counts what holds and says what does not.
type tally struct {
	sync.Mutex
	passed, failed int
}

func (t *tally) check(holds bool, format string, args ...interface{}) bool {
	t.Lock()
	defer t.Unlock()
	if holds {
		t.passed++
		return true
	}
	t.failed++
	if t.failed <= shownMax {
		fmt.Printf("FAILED "+format+"\n", args...)
	}
	return false
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

func main() {
	if len(os.Args) < 4 {
		fmt.Fprintln(os.Stderr, "usage: crd MODULE BASES PROBE...")
		os.Exit(2)
	}
	module, bases := os.Args[1], os.Args[2]
	experimental, err := load(module, "experimental")
	fail(err)
	standard, err := load(module, "standard")
	fail(err)
	debug.SetGCPercent(400) // many small objects, none of which stays
	t := &tally{}
	for _, probe := range os.Args[3:] {
		rows, err := readTables(probe)
		fail(err)
		compareTables(t, rows, experimental, standard)
		fail(compareCore(t, probe, rows))
		fmt.Printf("tables: %d passed, %d failed\n", t.passed, t.failed)
		fail(differ(t, probe, bases, experimental, standard))
	}
	fmt.Printf("%d passed, %d failed\n", t.passed, t.failed)
	if t.failed > 0 {
		os.Exit(1)
	}
}
